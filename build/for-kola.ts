/**
 * The only module of build/ that kola-tests/ imports. The harness knows artifacts, and these names of the code that
 * builds them.
 */

export { archiveUrls, mirrorBases } from './debian/mirror.ts';
export { type Closure, openSources, type Sources } from './graph/closure.ts';
export { stampOf } from './graph/stamp.ts';
export { sdkTree } from './image/sdk.ts';
export { get } from './net/http.ts';
export { parseManifest } from './product/manifest.ts';
export type { RoleName } from './release/format/namespaces.ts';
export type { Channel, Release } from './release/format/types.ts';
export { makeSigningKeys, signersIn } from './release/signing.ts';
export { addSignature, formatEnvelope } from './release/trust/envelope.ts';

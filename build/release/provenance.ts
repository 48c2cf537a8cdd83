import { badInput } from '../../sdk/lib/errors.ts';
import { byteOrder, type Sha256 } from '../../sdk/lib/files.ts';
import type { PoolFile } from '../debian/fetch.ts';

/** The content of a provenance statement about a release. */
export interface Provenance {
  readonly image: string;
  readonly version: string;
  /** Seconds since 1970. */
  readonly epoch: number;
  /** Of packages/lock.json. */
  readonly lock: Sha256;
  /** SHA-256 of the public halves of keys in the image; undefined if it has none. */
  readonly certificate?: Sha256 | undefined;
  readonly trust?: Sha256 | undefined;
  /** All fetched files that it was made from, tools included. */
  readonly fetched: readonly PoolFile[];
  /** The files of the release. */
  readonly files: Readonly<Record<string, Sha256>>;
}

/**
 * The making of a release as an in-toto statement (in-toto Attestation Framework, Statement v1) with SLSA
 * provenance (SLSA v1.0, Provenance).
 * It is a function of the inputs, without builder and clock. So a second build of the release gives the same
 * bytes.
 */
export function provenanceStatement(of: Provenance): string {
  const digestOf = (name: string, sha256: Sha256 | undefined) =>
    sha256 === undefined ? [] : [{ name, digest: { sha256 } }];
  const fetched = [...of.fetched]
    .sort((a, b) => byteOrder(a.path, b.path))
    .map(({ archive, path, sha256 }) => ({ name: `${archive}/${path}`, digest: { sha256 } }));
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: Object.entries(of.files)
      .sort(([a], [b]) => byteOrder(a, b))
      .map(([name, sha256]) => ({ name, digest: { sha256 } })),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'urn:draisine:release:1',
        externalParameters: { image: of.image, version: of.version, epoch: of.epoch },
        resolvedDependencies: [
          ...digestOf('packages/lock.json', of.lock),
          ...digestOf('modules.crt', of.certificate),
          ...digestOf('root.json', of.trust),
          ...fetched,
        ],
      },
      runDetails: { builder: { id: 'urn:draisine:build' } },
    },
  };
  return `${JSON.stringify(statement, null, 2)}\n`;
}

/**
 * The fetched files in a provenance statement, as `ARCHIVE/PATH`.
 * @throws badInput for another document
 */
export function fetchedIn(text: string, where: string): string[] {
  const { predicate } = JSON.parse(text) as {
    predicate?: { buildDefinition?: { resolvedDependencies?: readonly { readonly name: string }[] } };
  };
  const dependencies = predicate?.buildDefinition?.resolvedDependencies;
  if (!dependencies)
    throw badInput('the provenance does not list the fetched files', {
      where,
      hint: 'build the release again',
    });
  // The lock and the keys do not come from an archive.
  return dependencies.map(({ name }) => name).filter((name) => /^debian(-[a-z]+)?\//.test(name));
}

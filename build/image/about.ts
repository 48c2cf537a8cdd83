import { join } from 'node:path';
import { sha256 } from '../../sdk/lib/files.ts';
import type { Lock } from '../debian/lock.ts';
import { type Source, source, type Target } from '../graph/target.ts';
import type { Image, KernelTargets } from './image.ts';
import { type LockedPackages, lockedPackages } from './packages.ts';

/** All that decides about an image besides its definition. */
export interface ImageContext {
  /** Folder of the checkout; sources are relative to it. */
  readonly root: string;
  readonly lock: Lock;
  readonly version: string;
  /** Part of the names of targets: a second release of the image in the same graph. */
  readonly series?: string;
  /** Development build: lz4 instead of the release's compression. */
  readonly dev: boolean;
  /** SOURCE_DATE_EPOCH, seconds since 1970. */
  readonly epoch: number;
  /** PEM, of the key that signs kernel modules; none: what needs one fails when it is made. */
  readonly certificate: string;
  /** root.json, the keys by which a box trusts releases and channels; none: it is told by its machine config. */
  readonly trust?: string;
}

/** What every part of an image's graph is made from. */
export interface About extends ImageContext {
  readonly image: Image;
  /** The name of the image's target `part`: `IMAGE:part`. */
  readonly named: (part: string) => string;
  /** A file or folder of the checkout. */
  readonly at: (path: string) => Source;
  readonly packages: LockedPackages;
  /** The tool tree that assembles images. */
  readonly sdk: Target;
  readonly kernel: KernelTargets;
  /** What os-release and boot menus say. */
  readonly identity: { readonly name: string; readonly version: string; readonly image: string };
  /** Identifiers that must be unique, but the same in every build, are hashes of it and of what they name. */
  readonly seed: string;
  /**
   * Of dm-verity, in hexadecimal. The same for all releases of an image: what is the same block in two of them has
   * the same hash, so that the hash tree of one is an index of what the other has already.
   */
  readonly salt: string;
}

/** All that `usr()`, `boot()`, `media()`, `netboot()` and `bill()` of one image share. */
export function about(image: Image, context: ImageContext): About {
  const { root, lock, version, dev, certificate, series = '' } = context;
  const packages = lockedPackages(lock);
  return {
    ...context,
    image,
    named: (part) => `${image.name}${dev ? '-dev' : ''}${series}:${part}`,
    at: (path) => source(join(root, path)),
    packages,
    sdk: packages.tools('sdk-image'),
    kernel: image.kernel.from(packages, certificate),
    identity: { name: 'draisine', version, image: image.name },
    seed: `draisine ${image.name} ${version}`,
    salt: sha256(`draisine ${image.name} salt`),
  };
}

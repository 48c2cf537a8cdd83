import { join } from 'node:path';
import { sha256 } from '../../sdk/lib/files.ts';
import type { Lock } from '../debian/lock.ts';
import { type Source, source, type Target } from '../graph/target.ts';
import type { Image, KernelTargets } from './image.ts';
import { type LockedPackages, lockedPackages } from './packages.ts';

/** All settings that decide about an image besides its definition. */
export interface ImageContext {
  /** Folder of the checkout. Paths of sources are relative to it. */
  readonly root: string;
  readonly lock: Lock;
  readonly version: string;
  /** Part of the names of targets: a second release of the image in the same graph. */
  readonly series?: string;
  /** Development build: lz4 instead of the release's compression. */
  readonly dev: boolean;
  /** SOURCE_DATE_EPOCH, seconds since 1970. */
  readonly epoch: number;
  /** Certificate of the key that signs kernel modules, in PEM. If it is empty, targets that need it fail. */
  readonly certificate: string;
  /** root.json: the keys by which a box trusts releases and channels. Without it, the machine config has to name them. */
  readonly trust?: string;
}

/** The inputs of every part of an image's graph. */
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
  /** The names in os-release and in boot menus. */
  readonly identity: { readonly name: string; readonly version: string; readonly image: string };
  /** Unique identifiers that are the same in every build are hashes of this seed and of a name. */
  readonly seed: string;
  /**
   * Salt of dm-verity, in hexadecimal. All releases of an image have the same salt, so equal blocks of two releases have
   * equal hashes. An update finds the blocks that it has already in the hash tree.
   */
  readonly salt: string;
}

/** The common inputs of `usr()`, `boot()`, `media()`, `netboot()` and `bill()` of one image. */
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

import { microcodeInitrd } from '../boot/firmware.ts';
import { initrd } from '../boot/initrd.ts';
import { kernelConfiguration, kernelImage } from '../boot/modules.ts';
import { uki } from '../boot/uki.ts';
import { lockedSet } from '../debian/lock.ts';
import type { Target } from '../graph/target.ts';
import { baseOf, parentOf } from '../tree/paths.ts';
import type { About } from './about.ts';
import { osRelease } from './fixups.ts';
import type { Usr } from './usr.ts';

/**
 * Time of the files in initrd and microcode. It does not come from the lock, so two releases with the same files have the
 * same initrd, and an update need not fetch it. 1980 is the first year of FAT.
 */
const INITRD_EPOCH = 315_532_800;

/** The boot parts of an image. */
export interface Boot {
  readonly kernel: Target;
  /** Output: a .config file. */
  readonly config: Target;
  /** At most one. */
  readonly microcode: readonly Target[];
  readonly initrd: Target;
  readonly uki: Target;
  /** The inputs that all unified kernel images of this image share. */
  readonly ukiParts: {
    readonly sdk: Target;
    readonly kernel: Target;
    readonly initrd: Target;
    readonly microcode: readonly Target[];
    readonly rootHash: Target;
    readonly osRelease: string;
    readonly uname: string;
    readonly epoch: number;
  };
}

/** Makes one unified kernel image of kernel, microcode, initrd and the root hash of /usr. */
export function boot(about: About, usr: Usr): Boot {
  const { image, named, at, sdk, dev, epoch } = about;
  const kernel = kernelImage(named('kernel'), { kernel: about.kernel.kernel });
  const processor = microcode(about);
  const initrdTarget = initrd(named('initrd'), {
    tree: usr.tree,
    ...image.initrd,
    after: null,
    overlay: at('packages/overlays/initrd'),
    sources: sourcesOf(about),
    sdk,
    level: dev ? 1 : (image.initrd.level ?? 19),
    epoch: INITRD_EPOCH,
  });
  const ukiParts = {
    sdk,
    kernel,
    initrd: initrdTarget,
    microcode: processor,
    rootHash: usr.rootHash,
    osRelease: osRelease(about.identity),
    uname: about.kernel.release,
    epoch,
  };
  return {
    kernel,
    config: kernelConfiguration(named('config'), { kernel: about.kernel.kernel }),
    microcode: processor,
    initrd: initrdTarget,
    uki: uki(named('uki'), {
      ...ukiParts,
      moreInitrds: [],
      cmdline: image.cmdline,
      usrFile: [],
      profiles: image.profiles,
    }),
    ukiParts,
  };
}

/** The source package of each package: the folder of its file in Debian's pool (Debian repository format). */
export function sourcesOf({ image, lock }: About): Readonly<Record<string, string>> {
  return Object.fromEntries(
    lockedSet(lock, image.set).map(({ name, path }) => [name, baseOf(parentOf(path))]),
  );
}

function microcode({ image, named, packages }: About): Target[] {
  const { set, microcode } = image.firmware;
  if (microcode.length === 0) return [];
  return [
    microcodeInitrd(named('microcode'), {
      packages: microcode.map((each) => packages.package(set, each.package)),
      microcode: microcode.map(({ vendor, files }) => ({ vendor, files })),
      epoch: INITRD_EPOCH,
    }),
  ];
}

import type { Microcode } from '../boot/firmware.ts';
import type { InitrdPlan } from '../boot/initrd.ts';
import type { BootProfile } from '../boot/uki.ts';
import type { Compression } from '../fs/erofs.ts';
import type { Source, Target } from '../graph/target.ts';
import type { PartitionPlan } from '../media/partitions.ts';
import type { Settled } from '../tree/merge.ts';
import type { Trim } from '../tree/trim.ts';
import type { Accounts } from './accounts.ts';
import type { Fixups } from './fixups.ts';
import type { LockedPackages } from './packages.ts';
import type { Overlay } from './tree.ts';

/** The kernel of an image, as a value. */
export interface Kernel {
  /** Makes the kernel's targets from the lock and the certificate of the signing key. */
  readonly from: (packages: LockedPackages, certificate: string) => KernelTargets;
  /** The parts that recipes build, for the bill of materials: a name, and the package of a set with the source. */
  readonly built: readonly { readonly name: string; readonly set: string; readonly package: string }[];
  /** Names of modules, which bring their dependencies; or all modules. */
  readonly modules: readonly string[] | 'all';
  /** True if the kernel loads only modules that our key has signed. Then `from` gets a certificate and names a signer. */
  readonly signed: boolean;
}

/** The parts of a kernel in the graph of an image. */
export interface KernelTargets {
  /** A `Package` with boot/vmlinuz-RELEASE, boot/config-RELEASE and the modules. */
  readonly kernel: Target;
  /** A `Tree` with modules.builtin of that kernel, made without compiling anything. */
  readonly drivers: Target;
  /** RELEASE of the paths, as `uname -r` prints it. */
  readonly release: string;
  /** Modules that recipes build against it; each a `Tree` below usr/lib/modules/RELEASE. */
  readonly extraModules: readonly Target[];
  /** The tools that sign all modules; undefined if we do not sign them. */
  readonly signer?: { readonly headers: Target; readonly compiler: Target; readonly sandbox: Target };
}

/** Microcode and firmware, out of packages of one set. */
export interface Firmware {
  readonly set: string;
  /** Packages with firmware. The image carries the files that its modules ask for and that match one of the globs `only`. */
  readonly packages: readonly string[];
  /** Globs below /usr/lib/firmware. */
  readonly only: readonly string[];
  readonly microcode: readonly (Microcode & { readonly package: string })[];
}

/** A file of the image that a recipe makes from sources of the checkout. */
export interface MadeFile {
  /** `usr/lib/draisine/box.js`. */
  readonly path: string;
  readonly mode: number;
  /** Makes the target of this `name`. `at` gives a file or folder of the checkout. */
  readonly from: (name: string, at: (path: string) => Source) => Target;
}

/** One product: all settings that decide about its bytes, and no others. */
export interface Image {
  readonly name: string;
  /** Package set of the lock. */
  readonly set: string;
  readonly kernel: Kernel;
  readonly firmware: Firmware;
  readonly overlays: readonly Overlay[];
  readonly made: readonly MadeFile[];
  readonly trims: readonly Trim[];
  readonly settled: readonly Settled[];
  readonly accounts: Accounts;
  readonly fixups: Fixups;
  /** `level` is the level of zstd, 1 to 19. Default: 19. A development image has 1. */
  readonly initrd: {
    readonly plan: InitrdPlan;
    readonly modules: readonly string[];
    readonly level?: number;
  };
  /** The additional files for a /usr from the network. They are a second initrd, loaded after the first. */
  readonly netboot: { readonly plan: InitrdPlan; readonly modules: readonly string[] };
  /** Words of the kernel command line for every medium and profile. usrhash= is added. */
  readonly cmdline: readonly string[];
  /**
   * Entries of the boot menu. The first one boots by default. Media without room for a state partition offer only the
   * entries with root=tmpfs.
   */
  readonly profiles: readonly BootProfile[];
  /** Seconds for which the boot menu is shown. */
  readonly menuSeconds: number;
  readonly partitions: PartitionPlan;
  /** Compression of a release build. `build --dev` uses lz4. */
  readonly compression: Compression;
  /** Sets whose packages become container images for the tests. */
  readonly testImages: readonly {
    readonly name: string;
    readonly set: string;
    readonly entrypoint: readonly string[];
  }[];
}

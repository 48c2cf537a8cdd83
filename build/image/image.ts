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

/** A kernel as an image sees it: a value. */
export interface Kernel {
  /** What of the lock and the key it is made from. */
  readonly from: (packages: LockedPackages, certificate: string) => KernelTargets;
  /** What recipes build for it, for the bill of materials: a name, and the package of a set that has the source. */
  readonly built: readonly { readonly name: string; readonly set: string; readonly package: string }[];
  /** Module names, what they depend on comes with them; or all that it has. */
  readonly modules: readonly string[] | 'all';
  /** Whether it loads only modules that our key has signed: then `from` is given a certificate and names a signer. */
  readonly signed: boolean;
}

/** What a kernel gives to the graph of an image. */
export interface KernelTargets {
  /** A `Package` with boot/vmlinuz-RELEASE, boot/config-RELEASE and the modules. */
  readonly kernel: Target;
  /** A `Tree` with modules.builtin of that kernel, made without compiling anything. */
  readonly drivers: Target;
  /** RELEASE, as uname(1) says it. */
  readonly release: string;
  /** Modules that recipes build against it; each a `Tree` below usr/lib/modules/RELEASE. */
  readonly extraModules: readonly Target[];
  /** What signs all modules, when they are to be signed by us. */
  readonly signer?: { readonly headers: Target; readonly compiler: Target; readonly sandbox: Target };
}

/** What processors and devices are given at boot, out of packages of one set. */
export interface Firmware {
  readonly set: string;
  /** Packages with firmware: the image carries what its modules ask for and one of the globs `only` matches. */
  readonly packages: readonly string[];
  /** Globs below /usr/lib/firmware. */
  readonly only: readonly string[];
  readonly microcode: readonly (Microcode & { readonly package: string })[];
}

/** A file of the image that a recipe makes out of sources of the checkout. */
export interface MadeFile {
  /** `usr/lib/draisine/box.js`. */
  readonly path: string;
  readonly mode: number;
  /** `name`: of the target. `at`: a file or folder of the checkout. */
  readonly from: (name: string, at: (path: string) => Source) => Target;
}

/** One product: everything that decides about its bytes, and nothing else. */
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
  readonly initrd: { readonly plan: InitrdPlan; readonly modules: readonly string[] };
  /** What the initrd needs besides when /usr comes over the network: an initrd of its own, loaded after that one. */
  readonly netboot: { readonly plan: InitrdPlan; readonly modules: readonly string[] };
  /** Kernel command line besides usrhash=, on every medium and in every profile. */
  readonly cmdline: readonly string[];
  /**
   * Entries of the boot menu, the first boots by itself. Media that have no place for the state partition offer those
   * with root=tmpfs only.
   */
  readonly profiles: readonly BootProfile[];
  /** How long the boot menu is shown. */
  readonly menuSeconds: number;
  readonly partitions: PartitionPlan;
  /** Of a release build; `build --dev` takes lz4. */
  readonly compression: Compression;
  /** Sets whose packages become container images for the tests. */
  readonly testImages: readonly {
    readonly name: string;
    readonly set: string;
    readonly entrypoint: readonly string[];
  }[];
}

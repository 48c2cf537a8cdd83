import { firmwareFiles } from '../boot/firmware.ts';
import { kargsAddon } from '../boot/kargs-addon.ts';
import { moduleSet } from '../boot/modules.ts';
import { signModules } from '../boot/sign-modules.ts';
import { erofs } from '../fs/erofs.ts';
import { usrImage } from '../fs/usr-image.ts';
import { verity, verityRoot } from '../fs/verity.ts';
import type { Target } from '../graph/target.ts';
import { uuidFrom } from '../media/partitions.ts';
import type { About } from './about.ts';
import { treeFolder } from './root.ts';
import { imageTree } from './tree.ts';

/** /usr of an image, in its stages. */
export interface Usr {
  /** Output: `ImageTree`. */
  readonly tree: Target;
  /** Output: a folder with the image's /usr without kernel modules. Machine configs are checked against it. */
  readonly root: Target;
  readonly erofs: Target;
  readonly hashTree: Target;
  /** Output: 64 hexadecimal digits. */
  readonly rootHash: Target;
  /** The file system with its hash tree behind it. */
  readonly file: Target;
  /** The template of the kernel-argument addon. */
  readonly kargs: Target;
}

/** Packages, overlays, firmware and signed modules become a tree; the tree becomes an erofs with dm-verity. */
export function usr(about: About): Usr {
  const { image, named, at, packages, sdk, dev, epoch, seed } = about;
  const kargs = kargsAddon(named('kargs-addon'), { sdk, epoch });
  const parts = {
    packages: packages.packages(image.set),
    overlays: image.overlays,
    overlayRoot: at('packages/overlays'),
    scripts: at('packages/scripts.json'),
    trims: image.trims,
    settled: image.settled,
    accounts: image.accounts,
    fixups: image.fixups,
    identity: about.identity,
    made: image.made.map(({ path, from }) => from(named(path.split('/').at(-1) ?? path), at)),
    madeAs: image.made.map(({ path, mode }) => ({ path, mode })),
    trust: about.trust ?? '',
  };
  const kernelModules = modules(about);
  const tree = imageTree(named('tree'), {
    ...parts,
    modules: kernelModules,
    firmware: firmware(about, kernelModules),
    kargs: [kargs],
  });
  const plainTree = imageTree(named('plain-tree'), {
    ...parts,
    modules: about.kernel.drivers,
    firmware: [],
    kargs: [],
  });
  const fileSystem = erofs(named('usr'), {
    tree,
    root: 'usr',
    sdk,
    compression: dev ? 'lz4' : image.compression,
    uuid: uuidFrom(`${seed} usr`),
    epoch,
  });
  const hashTree = verity(named('usr-verity'), {
    image: fileSystem,
    sdk,
    salt: about.salt,
    uuid: uuidFrom(`${seed} verity`),
  });
  return {
    tree,
    root: treeFolder(named('root'), { tree: plainTree }),
    erofs: fileSystem,
    hashTree,
    rootHash: verityRoot(named('usr-hash'), { hashTree }),
    file: usrImage(named('usr.img'), { usr: fileSystem, hashTree }),
    kargs,
  };
}

/** The kernel's modules. They are signed if the kernel asks for it. */
function modules({ image, named, packages, kernel, sdk, certificate }: About): Target {
  const unsigned = moduleSet(named('modules'), {
    kernel: kernel.kernel,
    extra: kernel.extraModules,
    names: image.kernel.modules,
    sdk,
    sdkXz: packages.tools('sdk-xz'),
  });
  if (!kernel.signer) return unsigned;
  return signModules(named('signed-modules'), { modules: unsigned, certificate, ...kernel.signer });
}

/** The firmware that the modules ask for, and the licence of the microcode. */
function firmware({ image, named, packages }: About, modules: Target): Target[] {
  const { set, packages: names, microcode, only } = image.firmware;
  if (names.length === 0) return [];
  const all = [...names, ...microcode.map((each) => each.package)];
  return [
    firmwareFiles(named('firmware'), {
      modules,
      packages: all.map((name) => packages.package(set, name)),
      only,
    }),
  ];
}

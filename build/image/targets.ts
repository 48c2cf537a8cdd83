import { join } from 'node:path';
import { badInput } from '../../sdk/lib/errors.ts';
import { sha256 } from '../../sdk/lib/files.ts';
import { filesInitrd } from '../boot/files-initrd.ts';
import { firmwareFiles, microcodeInitrd } from '../boot/firmware.ts';
import { initrd } from '../boot/initrd.ts';
import { kargsAddon } from '../boot/kargs-addon.ts';
import { kernelConfiguration, kernelImage, moduleSet } from '../boot/modules.ts';
import { signModules } from '../boot/sign-modules.ts';
import { uki } from '../boot/uki.ts';
import { type Lock, lockedSet } from '../debian/lock.ts';
import { erofs } from '../fs/erofs.ts';
import { usrImage } from '../fs/usr-image.ts';
import { verity, verityRoot } from '../fs/verity.ts';
import { source, type Target } from '../graph/target.ts';
import { bmap } from '../media/bmap.ts';
import { zstd } from '../media/compress.ts';
import { disk } from '../media/disk.ts';
import { esp } from '../media/esp.ts';
import { bootScript } from '../media/ipxe.ts';
import { iso } from '../media/iso.ts';
import { isoEsp } from '../media/iso-esp.ts';
import { uuidFrom } from '../media/partitions.ts';
import { osRelease, prettyName } from './fixups.ts';
import type { Image } from './image.ts';
import { ociArchive } from './oci.ts';
import { lockedPackages } from './packages.ts';
import { treeFolder } from './root.ts';
import { pinOf, sbom } from './sbom.ts';
import { imageTree } from './tree.ts';

export interface ImageContext {
  /** Folder of the checkout; sources are relative to it. */
  readonly root: string;
  readonly lock: Lock;
  readonly version: string;
  /** Development build: lz4 instead of the release's compression. */
  readonly dev: boolean;
  /** SOURCE_DATE_EPOCH, seconds since 1970. */
  readonly epoch: number;
  /** PEM, of the key that signs kernel modules; none: what needs one fails when it is made. */
  readonly certificate: string;
}

export interface ImageTargets {
  /** By artifact name (docs/images.md), each a target `IMAGE:NAME`. */
  readonly artifacts: Readonly<Record<string, Target>>;
  /** Output: `ImageTree`. */
  readonly tree: Target;
  /** Output: 64 hexadecimal digits. */
  readonly rootHash: Target;
  /** Output: a folder with the image's /usr, without kernel modules: what machine configs are checked against. */
  readonly root: Target;
}

/** The graph of one image: from the lock to everything a user takes away. */
export function imageTargets(image: Image, context: ImageContext): ImageTargets {
  const { root, lock, version, dev, epoch } = context;
  const name = dev ? `${image.name}-dev` : image.name;
  const at = (path: string) => source(join(root, path));
  const packages = lockedPackages(lock);
  const sdk = packages.tools('sdk-image');
  const seed = `draisine ${image.name} ${version}`;

  const from = image.kernel.from(packages, context.certificate);
  const unsigned = moduleSet(`${name}:modules`, {
    kernel: from.kernel,
    extra: from.extraModules,
    names: image.kernel.modules,
    sdk,
    sdkXz: packages.tools('sdk-xz'),
  });
  const modules = from.signer
    ? signModules(`${name}:signed-modules`, {
        modules: unsigned,
        certificate: context.certificate,
        ...from.signer,
      })
    : unsigned;
  const { firmware } = image;
  const firmwareOf = (names: readonly string[]) => names.map((each) => packages.package(firmware.set, each));
  const firmwarePackages = [
    ...new Set([...firmware.packages, ...firmware.microcode.map((each) => each.package)]),
  ];
  const files =
    firmware.packages.length > 0
      ? [
          firmwareFiles(`${name}:firmware`, {
            modules,
            // Microcode is a file of its own; its licence is here.
            packages: firmwareOf([...firmware.packages, ...firmware.microcode.map((each) => each.package)]),
            only: firmware.only,
          }),
        ]
      : [];
  const microcode =
    firmware.microcode.length > 0
      ? [
          microcodeInitrd(`${name}:microcode`, {
            packages: firmwareOf(firmware.microcode.map((each) => each.package)),
            microcode: firmware.microcode.map(({ vendor, files }) => ({ vendor, files })),
            epoch,
          }),
        ]
      : [];
  const identity = { name: 'draisine', version, image: image.name };
  const parts = {
    packages: packages.packages(image.set),
    overlays: image.overlays,
    overlayRoot: at('packages/overlays'),
    scripts: at('packages/scripts.json'),
    trims: image.trims,
    settled: image.settled,
    accounts: image.accounts,
    fixups: image.fixups,
    identity,
  };
  const kargs = kargsAddon(`${name}:kargs-addon`, { sdk, epoch });
  const tree = imageTree(`${name}:tree`, { ...parts, modules, firmware: files, kargs: [kargs] });
  const plainTree = imageTree(`${name}:plain-tree`, {
    ...parts,
    modules: from.drivers,
    firmware: [],
    kargs: [],
  });
  const usr = erofs(`${name}:usr`, {
    tree,
    root: 'usr',
    sdk,
    compression: dev ? 'lz4' : image.compression,
    uuid: uuidFrom(`${seed} usr`),
    epoch,
  });
  const hashTree = verity(`${name}:usr-verity`, {
    image: usr,
    sdk,
    salt: sha256(`${seed} salt`),
    uuid: uuidFrom(`${seed} verity`),
  });
  const rootHash = verityRoot(`${name}:usr-hash`, { hashTree });
  const kernel = kernelImage(`${name}:kernel`, { kernel: from.kernel });
  const initrdTarget = initrd(`${name}:initrd`, {
    tree,
    ...image.initrd,
    after: null,
    overlay: at('packages/overlays/initrd'),
    sdk,
    level: dev ? 1 : 19,
    epoch,
  });
  const kernelAndMore = {
    sdk,
    kernel,
    initrd: initrdTarget,
    microcode,
    rootHash,
    osRelease: osRelease(identity),
    uname: from.release,
    epoch,
  };
  const ukiTarget = uki(`${name}:uki`, {
    ...kernelAndMore,
    moreInitrds: [],
    cmdline: image.cmdline,
    usrFile: [],
    profiles: image.profiles,
  });
  const espTarget = esp(`${name}:esp`, {
    sdk,
    uki: ukiTarget,
    ukiName: `draisine_${version}.efi`,
    kargs,
    size: image.partitions.esp,
    menuSeconds: image.menuSeconds,
    volumeId: sha256(`${seed} esp`).slice(0, 8),
    epoch,
  });
  const diskTarget = disk(`${name}:disk`, {
    sdk,
    esp: espTarget,
    usr,
    hashTree,
    rootHash,
    plan: image.partitions,
    version,
    seed: sha256(`${seed} disk`).slice(0, 32),
  });
  const usrFile = usrImage(`${name}:usr.img`, { usr, hashTree });
  const isoTarget = iso(`${name}:iso`, {
    sdk,
    esp: isoEsp(`${name}:iso-esp`, {
      sdk,
      uki: ukiTarget,
      ukiName: `draisine_${version}.efi`,
      title: prettyName(identity),
      rootHash,
      cmdline: image.cmdline,
      profiles: image.profiles,
      usr,
      menuSeconds: image.menuSeconds,
      volumeId: sha256(`${seed} iso-esp`).slice(0, 8),
      epoch,
    }),
    usrImage: usrFile,
    rootHash,
    diskUuid: uuidFrom(`${seed} iso`),
    epoch,
  });
  const netInitrd = initrd(`${name}:pxe.initrd`, {
    tree,
    ...image.netboot,
    after: image.initrd,
    overlay: at('packages/overlays/netboot'),
    sdk,
    level: dev ? 1 : 9, // 19 takes twelve times as long for a ninth less
    epoch,
  });
  const httpUki = uki(`${name}:http.efi`, {
    ...kernelAndMore,
    moreInitrds: [
      filesInitrd(`${name}:http-files`, {
        files: [ukiTarget, usrFile],
        names: ['uki.efi', 'usr.img'],
        epoch,
      }),
    ],
    cmdline: [...image.cmdline, 'draisine.usr=initrd'],
    usrFile: [usr],
    // There is no menu.
    profiles: image.profiles.filter(({ id }) => id === 'live'),
  });
  const boot = bootScript(`${name}:boot.ipxe`, {
    files: {
      kernel: 'vmlinuz',
      initrds: [...(microcode.length > 0 ? ['microcode.img'] : []), 'initrd.img', 'pxe.initrd'],
      usr: 'usr.img',
      uki: 'uki.efi',
    },
    rootHash,
    usr,
    cmdline: image.cmdline,
    uki: ukiTarget,
    title: prettyName(identity),
  });
  const artifacts: Record<string, Target> = {
    disk: diskTarget,
    'disk.bmap': bmap(`${name}:disk.bmap`, { disk: diskTarget }),
    'disk.zst': zstd(`${name}:disk.zst`, { sdk, file: diskTarget, level: dev ? 1 : 3 }),
    iso: isoTarget,
    uki: ukiTarget,
    kernel,
    config: kernelConfiguration(`${name}:config`, { kernel: from.kernel }),
    initrd: initrdTarget,
    usr,
    'usr-verity': hashTree,
    'usr.img': usrFile,
    'pxe.initrd': netInitrd,
    'boot.ipxe': boot,
    'http.efi': httpUki,
    ...Object.fromEntries(microcode.map((target) => ['microcode', target])),
    sbom: sbom(`${name}:sbom`, {
      name: image.name,
      version,
      epoch,
      packages: [...packages.packages(image.set), ...firmwareOf(firmwarePackages)],
      pins: [
        ...lockedSet(lock, image.set),
        ...firmwarePackages.flatMap((each) =>
          lockedSet(lock, firmware.set).filter(({ name }) => name === each),
        ),
      ].map(pinOf),
      built: image.kernel.built.map((each) => each.name),
      builtFrom: image.kernel.built.map((each) => packages.package(each.set, each.package)),
      builtPins: image.kernel.built.flatMap((each) =>
        lockedSet(lock, each.set)
          .filter((locked) => locked.name === each.package)
          .map(pinOf),
      ),
    }),
  };
  for (const test of image.testImages) {
    if (Object.hasOwn(artifacts, test.name)) {
      throw badInput(`two artifacts are called ${test.name}`, {
        where: `testImages of the image ${image.name}`,
        hint: 'give one another name',
      });
    }
    artifacts[test.name] = ociArchive(`${name}:${test.name}`, {
      packages: packages.packages(test.set),
      name: test.name,
      entrypoint: test.entrypoint,
      epoch,
    });
  }
  return { artifacts, tree, rootHash, root: treeFolder(`${name}:root`, { tree: plainTree }) };
}

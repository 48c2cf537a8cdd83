import { readFile } from 'node:fs/promises';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { byteOrder, type Sha256, sha256 } from '../../sdk/lib/files.ts';
import { type Lock, lockDate, readLock } from '../debian/lock.ts';
import { LOCK_PATH } from '../debian/lock-path.ts';
import type { Target } from '../graph/target.ts';
import { shippedPackages } from '../image/bill.ts';
import type { Image } from '../image/image.ts';
import { type ImageContext, imageTargets } from '../image/targets.ts';
import { moduleCertificate, ownRoot } from '../keys/keys.ts';
import { versionFault, versionOf } from '../release/format/version.ts';

/** A package of an image, as the manifest names it. */
export interface ImagePackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
}

/** How an image is built. */
export interface ProductOptions {
  /** Development compression: faster and larger. */
  readonly dev: boolean;
  /** `YYYY.MDD.N`; default DRAISINE_VERSION, else the day of the lock's newest index. */
  readonly version?: string;
}

/** The parts of an image that the command line needs. */
export interface ImageProduct {
  /**
   * The outputs of `build IMAGE`: artifact name (`disk`, `uki`, …; its target is `IMAGE:disk`) → target and
   * file name in out/IMAGE/.
   */
  readonly artifacts: Readonly<Record<string, ImageArtifact>>;
  /**
   * Other targets that the user may name, by their full names. The inputs of these and of artifacts have
   * names too.
   */
  readonly targets: Readonly<Record<string, Target>>;
  readonly version: string;
  /** SOURCE_DATE_EPOCH, seconds since 1970. */
  readonly epoch: number;
  /**
   * Public halves of keys that are part of the image: the module key's certificate, and root.json. Empty if
   * there are none.
   */
  readonly certificate: string;
  readonly trust: string;
  /** The kernel command line of each profile by its id, without usrhash=. */
  readonly commandLines: Readonly<Record<string, string>>;
  /** SHA-256 of the lock. */
  readonly lock: Sha256;
  readonly packages: readonly ImagePackage[];
  /** Output: the root hash of /usr's hash tree, 64 hexadecimal digits. */
  readonly usrHash: Target;
  /** Output: JSON `{entries, trims?: [{reason, count, bytes}]}`. */
  readonly tree: Target;
}

/** A file of an image that `build` can make. */
export interface ImageArtifact {
  readonly target: Target;
  /** Name of the file in out/IMAGE/. */
  readonly file: string;
  /** Whether `build IMAGE` makes it. Otherwise it is made only when its name is given. */
  readonly byDefault: boolean;
}

/** File names of artifacts in out/IMAGE/. The file of any other artifact has the artifact's name. */
const FILES: Readonly<Record<string, string>> = {
  disk: 'disk.img',
  'disk.zst': 'disk.img.zst',
  'disk.bmap': 'disk.bmap',
  iso: 'draisine.iso',
  uki: 'uki.efi',
  kernel: 'vmlinuz',
  initrd: 'initrd.img',
  usr: 'usr.erofs',
  'usr-verity': 'usr.verity',
  config: 'kernel.config',
  'oci-busybox': 'oci-busybox.tar',
  microcode: 'microcode.img',
  sbom: 'sbom.spdx.json',
  cyclonedx: 'sbom.cdx.json',
  facts: 'facts.json',
  'next.uki': 'next.uki.efi',
};

/** Artifacts that a development build makes only when their names are given. */
const NOT_FOR_DEVELOPMENT = ['disk.zst', 'iso', 'disk.bmap'];

/** An image with its targets, from the committed lock. */
export async function imageProduct(image: Image, options: ProductOptions): Promise<ImageProduct> {
  const { dev } = options;
  const lock = await readLock(LOCK_PATH);
  const version = imageVersion(lock, options.version);
  const epoch = sourceDateEpoch() ?? lockDate(lock);
  const certificate = image.kernel.signed ? ((await moduleCertificate()) ?? '') : '';
  const trust = (await ownRoot()) ?? '';
  const context = { root: CHECKOUT, lock, version, dev, epoch, certificate, trust };
  const graph = imageTargets(image, context);
  return {
    artifacts: Object.fromEntries(
      Object.entries({ ...graph.artifacts, ...nextRelease(image, context) }).map(([name, target]) => [
        name,
        { target, file: FILES[name] ?? name, byDefault: !(dev && NOT_FOR_DEVELOPMENT.includes(name)) },
      ]),
    ),
    targets: { [graph.root.name]: graph.root },
    ...{ version, epoch, certificate, trust },
    commandLines: Object.fromEntries(
      image.profiles.map(({ id, cmdline }) => [id, [...image.cmdline, ...cmdline].join(' ')]),
    ),
    lock: sha256(await readFile(LOCK_PATH)),
    packages: shippedPackages(image, lock)
      .map(({ pin: { name, version, architecture } }) => ({ name, version, architecture }))
      .sort((a, b) => byteOrder(a.name, b.name)),
    usrHash: graph.rootHash,
    tree: graph.tree,
  };
}

/**
 * The same image as the next release, as far as an update needs it; tests update a box to it. It shares all
 * outputs that contain no version, so it costs a file system, its hash tree and a UKI.
 */
function nextRelease(image: Image, context: ImageContext): Readonly<Record<string, Target>> {
  if (image.testImages.length === 0) return {};
  const [year, day, count] = context.version.split('.');
  const version = `${year}.${day}.${Number(count) + 1}`;
  const { artifacts } = imageTargets(image, { ...context, version, series: '-next' });
  return Object.fromEntries(
    ['usr.img', 'uki'].flatMap((name) => (artifacts[name] ? [[`next.${name}`, artifacts[name]]] : [])),
  );
}

/** The given version, else DRAISINE_VERSION, else the day of the lock's newest index. */
function imageVersion(lock: Lock, asked: string | undefined): string {
  const given = asked ?? process.env.DRAISINE_VERSION;
  if (given === undefined || given === '') return versionOf(lockDate(lock));
  const fault = versionFault(given);
  if (fault === undefined) return given;
  throw badInput(`${JSON.stringify(given)} is not a version: ${fault}`, {
    where: asked === undefined ? 'DRAISINE_VERSION' : '--version',
    hint: `without it, the version is that of the lock, ${versionOf(lockDate(lock))}`,
  });
}

/**
 * Limits of times: the ESP is a FAT, whose times begin in 1980, and a cpio archive has eight hexadecimal
 * digits for a time.
 */
const EARLIEST = 315_532_800;
const LATEST = 2 ** 32 - 1;

function sourceDateEpoch(): number | undefined {
  const text = process.env.SOURCE_DATE_EPOCH;
  if (text === undefined || text === '') return undefined;
  const seconds = /^\d{1,11}$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds >= EARLIEST && seconds <= LATEST))
    throw badInput(`SOURCE_DATE_EPOCH is not a possible time of an image: ${text}`, {
      hint: `unset it, or set it to seconds since 1970, from ${EARLIEST} (1980) to ${LATEST} (2106)`,
    });
  return seconds;
}

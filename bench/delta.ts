/**
 * Measures the bytes that a box fetches for an update: the box's own code stages a real release from a folder.
 *
 *   node --import tsx bench/delta.ts [--from REVISION] [--rebuilt NAME]… [PACKAGE…]
 *
 * The new release is n100 with the current lock. The old release is n100 with the userland packages that
 * packages/lock.json of a git revision pins (default 8d7a7d2, 23 November 2026), or only with the named ones.
 * `--rebuilt` simulates the update of a package without another version: in the old release, all its code, data and
 * relocations are other bytes. `--rebuilt kernel` is the kernel with all modules. With `--rebuilt`, only named packages
 * have the versions of the revision. Prints the differences, and the bytes that are fetched, copied from the box, and
 * in all.
 */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Lock, type LockedPackage, lockDate, lockedSet, readLock } from '../build/debian/lock.ts';
import { LOCK_PATH } from '../build/debian/lock-path.ts';
import { buildTargets } from '../build/graph/run.ts';
import type { Target } from '../build/graph/target.ts';
import { imageTargets } from '../build/image/targets.ts';
import { moduleCertificate, ownRoot } from '../build/keys/keys.ts';
import type { Release } from '../build/release/format/types.ts';
import image from '../images/n100/image.ts';
import { RUNNING, slotContent, type Traffic } from '../packages/box/delta/slot.ts';
import { BLOCK, readLeaves } from '../packages/box/delta/tree.ts';
import { ukiContent } from '../packages/box/delta/uki.ts';
import { nodeBox } from '../packages/box/io/node.ts';
import { sha256 } from '../sdk/lib/files.ts';
import { setQuiet } from '../sdk/lib/log.ts';
import { withOther } from './other-bytes.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const { values, positionals: only } = parseArgs({
  allowPositionals: true,
  options: {
    from: { type: 'string', default: '8d7a7d2' },
    rebuilt: { type: 'string', multiple: true, default: [] },
  },
});
const { from: revision, rebuilt } = values;
const all = rebuilt.length === 0 && only.length === 0;
const scratch = mkdtempSync(join(tmpdir(), 'draisine-delta-'));
setQuiet(true);

/** The lock with the versions of another lock for packages of the image. */
function withPinsOf(lock: Lock, past: Lock): { lock: Lock; changed: string[] } {
  const pins = new Map(lockedSet(past, image.set).map((each) => [each.name, each]));
  const changed: string[] = [];
  const packages = lockedSet(lock, image.set).map((now): LockedPackage => {
    const {
      version,
      size,
      installedSize,
      sha256: digest,
      archive,
      suite,
      component,
      path,
    } = pins.get(now.name) ?? now;
    if (version === now.version || !(all || only.includes(now.name))) return now;
    changed.push(`${now.name} ${version} → ${now.version}`);
    return { ...now, version, size, installedSize, sha256: digest, archive, suite, component, path };
  });
  const set = { ...lock.sets.get(image.set)!, packages };
  return { lock: { ...lock, sets: new Map([...lock.sets, [image.set, set]]) }, changed };
}

/**
 * Whether the output of a target is replaced by other bytes. Of the kernel, only installed files are, and nothing is
 * compiled.
 */
function isOther({ name }: Target, user: Target): boolean {
  const installed = ['n100:modules', 'n100:kernel'].includes(user.name);
  if (installed && /^(kernel|zfs)-n100$/.test(name)) return rebuilt.includes('kernel');
  return rebuilt.some((each) => name.startsWith(`package:${each}_`));
}

async function build(
  lock: Lock,
  version: string,
  epoch: number,
  other: typeof isOther,
): Promise<{ usr: string; uki: string }> {
  const certificate = (await moduleCertificate()) ?? '';
  const trust = (await ownRoot()) ?? '';
  const { artifacts } = imageTargets(image, { root, lock, version, dev: false, epoch, certificate, trust });
  const made = await buildTargets(withOther([artifacts['usr.img']!, artifacts.uki!], other));
  return { usr: made.get(artifacts['usr.img']!.name)!.path, uki: made.get(artifacts.uki!.name)!.path };
}

/**
 * Size in bytes of the erofs at the start of a file: its superblock has their number and size (fs/erofs/erofs_fs.h).
 */
function dataSize(path: string): number {
  const bytes = Buffer.alloc(128);
  const file = openSync(path, 'r');
  readSync(file, bytes, 0, bytes.length, 1024);
  closeSync(file);
  return bytes.readUInt32LE(36) * 2 ** bytes.readUInt8(12);
}

/** Replaces paths of the box by paths of this host in the arguments of a program. */
const hosted = (box: string) => (argv: readonly string[]) =>
  ['sh', 'sha256sum'].includes(argv[0] ?? '')
    ? argv.map((word) => word.replaceAll(/(?<![\w/])\/(dev\/vd|run\/draisine|esp\/)/g, `${box}/$1`))
    : argv;

/** Stages the new release beside the old one. Returns the traffic of /usr and of the UKI. */
function update(old: { usr: string; uki: string }, next: { usr: string; uki: string }): [Traffic, Traffic] {
  const at = join(scratch, 'box');
  const box = nodeBox({ root: at, programs: hosted(at) });
  for (const each of ['/dev/mapper', '/run/draisine', '/var/lib/draisine/update', '/esp'])
    box.makeFolder(each);
  mkdirSync(join(scratch, 'web'));
  linkOrCopy(next.usr, join(scratch, 'web/usr.img'));
  linkOrCopy(next.uki, join(scratch, 'web/uki.efi'));
  copyFileSync(old.usr, box.path(RUNNING));
  copyFileSync(old.usr, box.path('/dev/vda3'));
  copyFileSync(old.uki, box.path('/esp/old.efi'));
  const [oldData, data, size] = [dataSize(old.usr), dataSize(next.usr), statSync(next.usr).size];
  truncateSync(box.path(RUNNING), oldData);
  for (const [path, length] of [
    ['/dev/vda4', data],
    ['/dev/vda5', size - data],
  ] as const) {
    writeFileSync(box.path(path), '');
    truncateSync(box.path(path), length);
  }
  const file = box.open('/dev/vda3', 'read');
  const uki = readFileSync(next.uki);
  const rootHash = /usrhash=([0-9a-f]{64})/.exec(uki.toString('latin1'))?.[1] ?? '';
  const running = {
    ...{ rootHash: readLeaves(file, oldData, old.usr).rootHash, size: oldData, dataDevice: '/dev/vda2' },
    ...{ hashDevice: '/dev/vda3', hashStart: oldData / BLOCK + 1 },
  };
  file.close();
  const release = {
    ...{ version: '2026.1129.1', rootHash, usr: { data, hash: size - data, hashOffset: data } },
    files: { 'usr.img': { size, sha256: '' }, 'uki.efi': { size: uki.length, sha256: sha256(uki) } },
  } as unknown as Release;
  const common = { origin: { base: `file://${scratch}` }, folder: 'web', release };
  const [ofUsr, ofUki] = [
    { fetched: 0, copied: 0 },
    { fetched: 0, copied: 0 },
  ];
  slotContent(box, { ...common, running, traffic: ofUsr }).write({ usr: '/dev/vda4', verity: '/dev/vda5' });
  const staged = Buffer.concat([readFileSync(box.path('/dev/vda4')), readFileSync(box.path('/dev/vda5'))]);
  if (!staged.equals(readFileSync(next.usr))) throw new Error('the staged /usr is not the new release');
  ukiContent(box, { ...common, installed: 'old.efi', traffic: ofUki }).write('/esp/next.efi');
  return [ofUsr, ofUki];
}

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}

try {
  writeFileSync(
    join(scratch, 'lock.json'),
    execFileSync('git', ['-C', root, 'show', `${revision}:packages/lock.json`], { maxBuffer: 1 << 28 }),
  );
  const lock = await readLock(LOCK_PATH);
  const past = await readLock(join(scratch, 'lock.json'));
  const before = withPinsOf(lock, past);
  before.changed.push(...rebuilt.map((name) => `${name} rebuilt`));
  for (const line of before.changed) console.log(line);
  const old = await build(before.lock, '2026.1123.0', lockDate(past), isOther);
  const next = await build(lock, '2026.1129.0', lockDate(lock), () => false);
  const [usr, uki] = update(old, next);
  const size = statSync(next.usr).size + statSync(next.uki).size;
  const share = (bytes: number) => `${((100 * bytes) / size).toFixed(2)} %`;
  console.log(`${before.changed.length} changes, /usr and UKI ${size} bytes`);
  for (const [name, { fetched, copied }] of Object.entries({ usr, uki }))
    console.log(`${name.padEnd(4)} ${fetched} fetched (${share(fetched)}), ${copied} copied`);
  console.log(`all  ${usr.fetched + uki.fetched} fetched (${share(usr.fetched + uki.fetched)})`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

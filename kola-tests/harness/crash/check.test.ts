import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runTool } from '../../../sdk/tool.ts';
import { toolTree } from '../qemu/tree.ts';
import { statesAt, survey, writeOut } from './survey.ts';
import { difference, type Request, recordingOf, SECTOR } from './testing.ts';

/* A small disk with the layout of a machine, made by sfdisk, mkfs.fat, mtools and veritysetup. The checker reads it. */

const MIB = 1 << 20;
const SIZE = 64 * MIB;
const ESP = { offset: MIB, length: 40 * MIB };
const SLOTS = [
  { data: 41 * MIB, hashes: 42 * MIB },
  { data: 43 * MIB, hashes: 44 * MIB },
] as const;

let dir = '';
let tools = '';
before(async () => {
  tools = await toolTree('sdk-image');
  dir = await mkdtemp(join(tmpdir(), 'crash-check-'));
});
after(async () => await rm(dir, { recursive: true }));

const run = async (tool: string, ...args: string[]): Promise<string> =>
  (await runTool(tools, tool, args)).toString();

/** A PE file with the sections of a UKI that the checker reads. */
function uki(version: string, root: string): Buffer {
  const sections = [
    ['.osrel', `IMAGE_ID=draisine\nIMAGE_VERSION=${version}\n`],
    ['.cmdline', `quiet usrhash=${root} console=ttyS0`],
    ['.linux', `kernel of ${version} ${'k'.repeat(20_000)}`],
  ] as const;
  const head = Buffer.alloc(1024);
  head.writeUInt32LE(64, 0x3c);
  head.write('PE\0\0', 64);
  head.writeUInt16LE(sections.length, 70);
  let offset = head.length;
  sections.forEach(([name, text], index) => {
    const at = 88 + index * 40;
    head.write(name, at);
    head.writeUInt32LE(text.length, at + 8);
    head.writeUInt32LE(offset, at + 20);
    offset += text.length;
  });
  return Buffer.concat([head, ...sections.map(([, text]) => Buffer.from(text))]);
}

interface Release {
  readonly version: string;
  readonly root: string;
  readonly data: Buffer;
  readonly hashes: Buffer;
}

async function release(version: string): Promise<Release> {
  const [data, hashes] = [join(dir, 'data'), join(dir, 'hashes')];
  await writeFile(data, Buffer.alloc(600 * 1024, version));
  await rm(hashes, { force: true });
  const said = await run('veritysetup', 'format', '--salt=abcd', data, hashes);
  const root = /Root hash:\s+([0-9a-f]{64})/.exec(said)?.[1] ?? '';
  return { version, root, data: await readFile(data), hashes: await readFile(hashes) };
}

async function esp(files: Readonly<Record<string, Buffer>>): Promise<Buffer> {
  const image = join(dir, 'esp');
  await writeFile(image, Buffer.alloc(ESP.length));
  await run('mkfs.fat', '--invariant', '-F', '32', '-s', '1', image);
  for (const folder of ['EFI', 'EFI/BOOT', 'EFI/Linux']) await run('mmd', '-i', image, `::/${folder}`);
  for (const [name, bytes] of Object.entries(files)) {
    await writeFile(join(dir, 'file'), bytes);
    await run('mcopy', '-i', image, join(dir, 'file'), `::/${name}`);
  }
  return await readFile(image);
}

/** A disk with `releases` in its slots. */
async function disk(
  releases: readonly (Release | undefined)[],
  files: Readonly<Record<string, Buffer>>,
): Promise<Buffer> {
  const image = join(dir, 'disk');
  await writeFile(image, Buffer.alloc(SIZE));
  const usr = '8484680c-9521-48c6-9c11-b0720656f69e';
  const guid = (hex: string): string => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  const lines = releases.flatMap((each, slot) => {
    const { data, hashes } = SLOTS[slot]!;
    const id = (hex: string | undefined): string => (hex === undefined ? '' : `, uuid=${guid(hex)}`);
    return [
      `start=${data / SECTOR}, size=2048, type=${usr}${id(each?.root.slice(0, 32))}`,
      `start=${hashes / SECTOR}, size=2048, type=${usr}${id(each?.root.slice(32))}`,
    ];
  });
  const script = ['label: gpt', `start=2048, size=${ESP.length / SECTOR}, type=U`, ...lines, ''].join('\n');
  await runTool(tools, 'sfdisk', ['--quiet', '--no-tell-kernel', '--no-reread', image], { stdin: script });
  const bytes = await readFile(image);
  (await esp(files)).copy(bytes, ESP.offset);
  releases.forEach((each, slot) => {
    each?.data.copy(bytes, SLOTS[slot]!.data);
    each?.hashes.copy(bytes, SLOTS[slot]!.hashes);
  });
  return bytes;
}

const loader = Buffer.from('MZ the boot loader');
const flush: Request = { flush: true };
const TABLE = { offset: 0, length: MIB };
const BACKUP = { offset: SIZE - 33 * SECTOR, length: 33 * SECTOR };

/** The releases that boot, and the faults, in all states of `requests`. */
function outcome(base: Buffer | undefined, requests: readonly Request[]) {
  const found = survey(recordingOf(SIZE, base, requests), {
    wrong: (verdict) => (verdict.boots === 'broken' ? verdict.why : undefined),
    sample: 3,
  });
  return { ...found, boots: [...found.boots.keys()].sort(), wrong: [...found.wrong.keys()].sort() };
}

test('an update in the right order boots the old or the new release in every state; a wrong order is detected', async () => {
  const [one, two] = [await release('1'), await release('2')];
  const before = await disk([one, undefined], {
    'EFI/BOOT/BOOTX64.EFI': loader,
    'EFI/Linux/draisine_1.efi': uki('1', one.root),
  });
  const files = {
    'EFI/BOOT/BOOTX64.EFI': loader,
    'EFI/Linux/draisine_1.efi': uki('1', one.root),
    'EFI/Linux/draisine_2+3.efi': uki('2', two.root),
  };
  const done = await disk([one, two], files);
  const slot = difference(before, done, { offset: SLOTS[1].data, length: 2 * MIB });
  const table = [...difference(before, done, BACKUP), flush, ...difference(before, done, TABLE), flush];
  const espWrites = difference(before, done, ESP);
  // FAT has folders before file contents on the disk. A file exists as soon as its folder is written.
  const [metadata, contents] = [
    espWrites.filter(({ data }) => (data?.length ?? 0) < 8192),
    espWrites.filter(({ data }) => (data?.length ?? 0) >= 8192),
  ];
  assert.ok(metadata.length > 0 && contents.length > 0);

  const right = outcome(before, [...slot, flush, ...table, ...contents, flush, ...metadata, flush]);
  assert.deepEqual(right.boots, [one.root, two.root].sort());
  assert.deepEqual(right.wrong, []);
  assert.equal(right.last.boots, 'release');
  assert.equal(right.sample.length, 3);

  const unflushed = outcome(before, [...slot, ...table, ...contents, flush, ...metadata, flush]);
  assert.deepEqual(unflushed.wrong, [], 'the flush after the backup table flushes the slot too');
  const late = outcome(before, [...table, ...contents, flush, ...metadata, ...slot, flush]);
  assert.match(late.wrong.join(), /draisine_2\+3\.efi: there is no hash tree/);
  const uncopied = outcome(before, [...slot, flush, ...table, ...metadata, flush, ...contents, flush]);
  assert.match(uncopied.wrong.join(), /boot loader has no entry|is damaged|no partition/);
  const unnamed = outcome(before, [...slot, flush, ...contents, flush, ...metadata, flush, ...table]);
  assert.match(unnamed.wrong.join(), /draisine_2\+3\.efi: no partition holds its \/usr/);
});

test('a table with one damaged copy is read from the other copy; without an intact copy there is no table', async () => {
  const one = await release('1');
  const base = await disk([one], {
    'EFI/BOOT/BOOTX64.EFI': loader,
    'EFI/Linux/draisine_1.efi': uki('1', one.root),
  });
  const garbage = (at: number): Request => ({ sector: at / SECTOR, data: Buffer.alloc(SECTOR, 'x') });
  const header = SECTOR;
  const backup = SIZE - SECTOR;
  assert.deepEqual(outcome(base, [garbage(header)]).boots, [one.root]);
  assert.deepEqual(outcome(base, [garbage(backup)]).boots, [one.root]);
  assert.deepEqual(outcome(base, [garbage(2 * SECTOR)]).boots, [one.root], 'the entries have a checksum too');
  assert.deepEqual(
    outcome(base, [garbage(header), flush, garbage(backup)]).boots.sort(),
    [one.root, 'nothing'].sort(),
  );
});

test('one byte of /usr, of its hash tree, of the UKI, or of the boot loader', async () => {
  const one = await release('1');
  const image = uki('1', one.root);
  const base = await disk([one], { 'EFI/BOOT/BOOTX64.EFI': loader, 'EFI/Linux/draisine_1.efi': image });
  const touched = (at: number, whole = SECTOR): string[] => {
    const sector = Math.floor(at / SECTOR);
    const data = Buffer.from(base.subarray(sector * SECTOR, sector * SECTOR + whole));
    data.writeUInt8(data.readUInt8(at % SECTOR) ^ 1, at % SECTOR);
    // The last state defines the intact files, so the last write restores the byte.
    const mended = { sector, data: Buffer.from(base.subarray(sector * SECTOR, sector * SECTOR + whole)) };
    const found = outcome(base, [{ sector, data }, flush, mended, flush]);
    return [...found.wrong, ...found.boots.filter((what) => what === 'nothing')];
  };
  const usr = SLOTS[0];
  assert.match(touched(usr.data + 555_555).join(), /block 135 of \/usr has a wrong digest/);
  assert.match(touched(usr.hashes + 4096 + 32).join(), /the root hash differs|level 0/);
  assert.match(touched(usr.hashes + 2 * 4096 + 32).join(), /level 0 of the hash tree|of \/usr/);
  assert.match(touched(base.indexOf('kernel of 1') + 3000).join(), /draisine_1\.efi is damaged/);
  assert.deepEqual(touched(base.indexOf('MZ the boot')), ['nothing']);
});

test('a state number leads to the same state as in the survey, and the state can be written to a file', async () => {
  const recording = recordingOf(SIZE, undefined, [
    { sector: 0, data: 'a' },
    { sector: 1, data: 'b' },
    { flush: true },
    { sector: 0, data: 'c' },
  ]);
  const read: unknown[] = [];
  for (const { number, disk } of statesAt(recording, [0, 1, 4, 5])) {
    const view = disk.view({ offset: 0, length: 2 * SECTOR });
    read.push([number, String.fromCharCode(view.read(0, 1)[0]!, view.read(SECTOR, 1)[0]!)]);
  }
  assert.deepEqual(read, [
    [0, '\0\0'],
    [1, 'a\0'],
    [4, 'ab'],
    [5, 'cb'],
  ]);
});

test('a state on the disk has the data from before, the written data, and the discarded sectors', async () => {
  const base = Buffer.alloc(SIZE);
  base.fill('o', 3 * MIB, 3 * MIB + SECTOR).fill('d', 9 * MIB, 9 * MIB + SECTOR);
  const requests: Request[] = [
    { sector: (5 * MIB) / SECTOR - 1, data: 'nn' },
    { sector: (9 * MIB) / SECTOR, discard: 1 },
    { flush: true },
    { sector: (63 * MIB) / SECTOR, data: 'u' },
  ];
  const seen: number[] = [];
  for (const { number, disk } of statesAt(recordingOf(SIZE, base, requests), [0, 1, 2, 6])) {
    seen.push(number);
    const path = join(dir, `state-${number}`);
    writeOut(disk, { offset: 0, length: SIZE }, path);
    const whole = disk.view({ offset: 0, length: SIZE }).read(0, SIZE);
    assert.ok((await readFile(path)).equals(whole), `state ${number}`);
  }
  assert.deepEqual(seen, [0, 1, 2, 6]);
});

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { makeFrame } from '../../../build/boot/testing.ts';
import { INDEX_SECTION, ukiIndex } from '../../../build/boot/uki-index.ts';
import { sdkTree } from '../../../build/image/sdk.ts';
import { toolCommand } from '../../../sdk/tool.ts';
import type { Box, RunOptions } from '../io/box.ts';
import { nodeBox } from '../io/node.ts';
import { testFolder } from '../io/testing.ts';
import { fetchFile, fetchIfThere } from '../update/fetch.ts';
import { batchesOf, bytesOf, type Fetch, planCopies } from './plan.ts';
import { RESUME, RUNNING, type SlotOptions, slotContent, type Traffic } from './slot.ts';
import {
  blocksOf,
  makeDevice,
  makeRelease,
  peOf,
  sha256Hex,
  startServer,
  type TestRelease,
} from './testing.ts';
import { BLOCK, type Leaves, levelsOf, treeSize } from './tree.ts';
import { ukiContent } from './uki.ts';

let sdk: string;
before(async () => {
  sdk = await sdkTree('sdk-image');
});

const count = (length: number, from = 0) => Array.from({ length }, (_, index) => from + index);
const sum = (bytes: Buffer) => sha256Hex(bytes);

/** Leaves of invented blocks. The hash of a block is the hash of its seed. */
function leavesOf(seeds: readonly number[], salt = 'aa'): Leaves {
  const hashes = Buffer.alloc(32 * seeds.length);
  for (const [index, seed] of seeds.entries())
    Buffer.from(sha256Hex(Buffer.from(String(seed))), 'hex').copy(hashes, 32 * index);
  return { salt, rootHash: '', blocks: seeds.length, hashes };
}

test('a hash tree has the levels that the kernel reads', () => {
  assert.deepEqual(levelsOf(21_405), [168, 2, 1]);
  assert.deepEqual(levelsOf(128), [1]);
  assert.deepEqual(levelsOf(129), [2, 1]);
  assert.equal(treeSize(129), 4 * BLOCK);
});

test('a plan copies or fetches every block once, and copies from a place with the same block', () => {
  const seeds = fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 2, maxLength: 200 });
  fc.assert(
    fc.property(seeds, seeds, (old, next) => {
      const plan = planCopies(leavesOf(old), leavesOf(next));
      const made: (number | undefined)[] = next.map(() => undefined);
      const put = (at: number, seed: number | undefined) => {
        assert.equal(made[at], undefined, 'the plan has this block twice');
        made[at] = seed;
      };
      for (const { from, to, count: blocks } of plan.copies)
        for (let block = 0; block < blocks; block++) put(to + block, old[from + block]);
      for (const { at, count: blocks } of plan.fetches)
        for (let block = 0; block < blocks; block++) put(at + block, next[at + block]);
      assert.deepEqual(made, next);
    }),
  );
});

test('a plan: moved blocks are copied; gaps up to 16 KiB are fetched too; with another salt everything is fetched', () => {
  const old = leavesOf(count(100));
  assert.deepEqual(planCopies(old, old), { copies: [{ from: 0, to: 0, count: 100 }], fetches: [] });
  const moved = planCopies(old, leavesOf([...count(10, 1000), ...count(90)]));
  assert.deepEqual(moved, { copies: [{ from: 0, to: 10, count: 90 }], fetches: [{ at: 0, count: 10 }] });
  const holes = (gap: number) => leavesOf([...count(20), 500, ...count(gap, 21), 501, ...count(20, 50)]);
  assert.equal(planCopies(old, holes(4)).fetches.length, 1);
  assert.equal(planCopies(old, holes(5)).fetches.length, 2);
  assert.deepEqual(planCopies(leavesOf(count(100), 'bb'), old).copies, []);
  assert.deepEqual(planCopies(undefined, old).fetches, [{ at: 0, count: 100 }]);
  const large = planCopies(undefined, leavesOf(count(3000))).fetches;
  assert.deepEqual(
    large.map((each) => each.count),
    [1024, 1024, 952],
  );
  const blocks = (fetches: readonly Fetch[]) => batchesOf(fetches, (each) => each.count * BLOCK);
  assert.equal(blocks(large).length, 3);
  assert.equal(
    blocks(count(600).map((at) => ({ at: at * 9, count: 1 }))).length,
    3,
    'a request has at most 256 ranges',
  );
});

interface Bench {
  readonly box: Box;
  readonly options: (changes?: Partial<SlotOptions>) => SlotOptions;
  readonly traffic: Traffic;
  readonly old: TestRelease;
  readonly next: TestRelease;
  /** Whether veritysetup finds the whole release in the slot. */
  readonly whole: () => boolean;
}
const DEVICES = { usr: '/dev/vda4', verity: '/dev/vda5' };

/** A box that runs one release, and a server's folder with the next. */
async function bench(
  t: TestContext,
  base: string,
  oldSeeds: number[],
  nextSeeds: number[],
  salts?: [string, string],
): Promise<Bench> {
  const folder = testFolder(t);
  const old = await makeRelease(join(folder, 'old'), sdk, '2026.1101.0', oldSeeds, {
    salt: salts?.[0] ?? 'cd'.repeat(32),
  });
  const next = await makeRelease(join(folder, 'web', 'next'), sdk, '2026.1129.0', nextSeeds, {
    salt: salts?.[1] ?? 'cd'.repeat(32),
  });
  const root = join(folder, 'box');
  const box = nodeBox({ root, programs: (argv) => hosted(root, argv) });
  for (const each of ['/dev/mapper', '/run/draisine', '/var/lib/draisine/update']) box.makeFolder(each);
  writeFileSync(box.path(RUNNING), old.data);
  makeDevice(box.path('/dev/vda3'), old.tree.length, old.tree);
  makeDevice(box.path(DEVICES.usr), 64 * BLOCK + next.data.length);
  makeDevice(box.path(DEVICES.verity), 1 << 20);
  const traffic: Traffic = { fetched: 0, copied: 0 };
  const address =
    base === ''
      ? (await startServer(t, join(folder, 'web'))).base
      : base.replace('FOLDER', join(folder, 'web'));
  const running = {
    rootHash: old.release.rootHash,
    size: old.data.length,
    dataDevice: '/dev/vda2',
    hashDevice: '/dev/vda3',
    hashStart: 1,
  };
  const verify = toolCommand(sdk, 'veritysetup', [
    'verify',
    box.path(DEVICES.usr),
    box.path(DEVICES.verity),
    next.release.rootHash,
  ]);
  return {
    box,
    traffic,
    old,
    next,
    options: (changes = {}) => ({
      origin: { base: `${address}/ranges` },
      folder: 'next',
      release: next.release,
      running,
      traffic,
      ...changes,
    }),
    whole: () =>
      nodeBox({ root: '' }).run([verify.file, ...verify.args], { env: verify.env as Record<string, string> })
        .code === 0,
  };
}

/** Puts the box's folder before absolute paths, so that programs of the host find the files of the box. */
function hosted(root: string, argv: readonly string[]): readonly string[] {
  const at = (text: string) => text.replaceAll(/(?<![\w/])\/(dev\/vd|run\/draisine|tmp\/box)/g, `${root}/$1`);
  return argv[0] === 'sh' || argv[0] === 'sha256sum' ? argv.map(at) : argv;
}

test('a delta: only new blocks are fetched, over one connection, and the slot is complete', async (t) => {
  const seeds = count(3000);
  const next = [
    ...seeds.slice(0, 100),
    ...count(30, 9000),
    ...seeds.slice(100, 2000),
    9900,
    ...seeds.slice(2001, 2900),
    ...count(60, 9100),
  ];
  const { box, options, traffic, whole, next: made } = await bench(t, '', seeds, next);
  const origin = options().origin;
  slotContent(box, options()).write(DEVICES);
  assert.ok(whole());
  assert.equal(traffic.fetched, (30 + 1 + 60) * BLOCK + made.tree.length);
  assert.equal(traffic.copied, (next.length - 91) * BLOCK);
  const told = (await (await fetch(origin.base.replace('ranges', 'stats'))).json()) as {
    bytes: number;
    connections: number;
    requests: number;
  };
  assert.equal(told.bytes, traffic.fetched);
  assert.equal(told.requests, 4);
  assert.ok(told.connections <= 3, `${told.connections} connections`);
  assert.equal(box.stat(RESUME), undefined);
});

test('a folder works like a server; a release with another salt is fetched as a whole', async (t) => {
  const seeds = count(300);
  const folder = await bench(t, 'file://FOLDER', seeds, [...count(250), ...count(50, 5000)]);
  const origin = { base: folder.options().origin.base.replace(/\/ranges$/, '') };
  slotContent(folder.box, folder.options({ origin })).write(DEVICES);
  assert.ok(folder.whole());
  assert.equal(folder.traffic.copied, 250 * BLOCK);

  const salted = await bench(t, '', seeds, seeds, ['aa'.repeat(32), 'bb'.repeat(32)]);
  slotContent(salted.box, salted.options()).write(DEVICES);
  assert.ok(salted.whole());
  assert.equal(salted.traffic.copied, 0);
});

test('servers: without ranges, all comes in one stream; wrong data is detected; broken answers are fetched again; other faults are errors', async (t) => {
  const seeds = count(600);
  const { box, options, whole, traffic, next } = await bench(t, '', seeds, [
    ...count(300),
    ...count(300, 7000),
  ]);
  const as = (mode: string) => ({ origin: { base: options().origin.base.replace('ranges', mode) } });
  slotContent(box, options(as('none'))).write(DEVICES);
  assert.ok(whole());
  assert.equal(traffic.fetched, next.data.length + next.tree.length);

  makeDevice((box as ReturnType<typeof nodeBox>).path(DEVICES.usr), 1 << 20);
  assert.ok(!whole());
  assert.throws(() => slotContent(box, options(as('lies'))).write(DEVICES), /hash tree/);
  assert.throws(
    () => slotContent(box, options(as('redirect'))).write(DEVICES),
    /redirects to http:\/\/elsewhere\.invalid/,
  );
  assert.throws(() => slotContent(box, options({ folder: 'missing' })).write(DEVICES), /the server refuses/);
  assert.throws(
    () => slotContent(box, options({ ...as('endless'), whole: true })).write(DEVICES),
    /larger than it may be/,
  );
  slotContent(box, options(as('cut'))).write(DEVICES);
  assert.ok(whole());

  // A server with damaged data must not look like a bad disk.
  const damaged = Buffer.from(next.data);
  damaged[5000]! ^= 1;
  writeFileSync(next.path, Buffer.concat([damaged, next.tree]));
  assert.throws(
    () => slotContent(box, options(as('none'))).write(DEVICES),
    /usr\.img is not the one that 2026\.1129\.0 names/,
  );
});

test('a broken connection: the next attempt resumes after the last batch on the disk', async (t) => {
  const { box, options, whole, traffic, next } = await bench(t, '', count(100), count(4000, 50));
  let runs = 0;
  const broken: Box = {
    ...box,
    run: (argv: readonly string[], run?: RunOptions) =>
      argv[1] === '-c' && ++runs > 3 ? { code: 22, stdout: '', stderr: 'gone' } : box.run(argv, run),
  };
  assert.throws(() => slotContent(broken, options()).write(DEVICES), /the server refuses \(gone\)/);
  const before = traffic.fetched;
  assert.ok(before > 4 << 20 && box.stat(RESUME) !== undefined);
  slotContent(box, options()).write(DEVICES);
  assert.ok(whole());
  const fetched = bytesOf([{ count: 3950 }]) + 2 * next.tree.length;
  assert.equal(traffic.fetched, fetched, 'only the hash tree is fetched twice');
  for (const odd of ['{"plan": "x"', 'null']) {
    box.writeFile(RESUME, odd);
    slotContent(box, options()).write(DEVICES);
    assert.ok(whole(), 'a damaged record is ignored');
  }
});

test('small files: missing, too large, empty', async (t) => {
  const folder = testFolder(t);
  mkdirSync(join(folder, 'web'));
  writeFileSync(join(folder, 'web', 'a'), 'x'.repeat(1000));
  writeFileSync(join(folder, 'web', 'empty'), '');
  const { base } = await startServer(t, join(folder, 'web'));
  const box = nodeBox({ root: join(folder, 'box') });
  box.makeFolder('/run');
  for (const origin of [{ base: `${base}/ranges` }, { base: `file://${folder}/web` }]) {
    assert.equal(fetchFile(box, origin, 'a', 1000).length, 1000);
    assert.throws(() => fetchFile(box, origin, 'a', 999), /larger than it may be/);
    assert.equal(fetchIfThere(box, origin, 'b', 10), undefined);
    assert.equal(fetchFile(box, origin, 'empty', 10).length, 0);
  }
  assert.throws(() => fetchFile(box, { base: `${base}/endless` }, 'a', 10_000), /larger than it may be/);
  const quick = { ...box, sleep: () => {} };
  assert.throws(
    () => fetchFile(quick, { base: 'http://127.0.0.1:1' }, 'a', 10),
    /the server does not answer/,
  );
  assert.throws(
    () => fetchFile(quick, { base: 'http://no-such-host.invalid' }, 'a', 10),
    /cannot be resolved/,
  );
});

/** A UKI for tests. Default of `index`: the index that the build makes; null: no index. */
async function ukiOf(
  folder: string,
  hash: string,
  linux: Buffer,
  archives: readonly Buffer[],
  index?: Buffer | null,
): Promise<Buffer> {
  const ram = Buffer.concat(archives.map(makeFrame));
  const [kernel, initrd] = [join(folder, 'kernel'), join(folder, 'initrd')];
  writeFileSync(kernel, linux);
  writeFileSync(initrd, ram);
  const made = await ukiIndex([
    ['.linux', kernel],
    ['.initrd', initrd],
  ]);
  return peOf([
    ['.osrel', Buffer.from('A')],
    ['.cmdline', Buffer.from(`usrhash=${hash.repeat(64)}`)],
    ['.linux', linux],
    ['.initrd', ram],
    ...(index === null ? [] : ([[INDEX_SECTION, index ?? Buffer.from(made)]] as const)),
    ['.cmdline', Buffer.from('of another profile')],
  ]);
}

/** Content of `size` bytes. Different seeds have no block in common. */
const random = (seed: number, size: number) =>
  blocksOf(count(Math.ceil(size / BLOCK), seed * 1000)).subarray(0, size);

/** A box, and a server for its updates. */
async function ukiBench(t: TestContext) {
  const folder = testFolder(t);
  const { base } = await startServer(t, folder);
  const logs: string[] = [];
  const box = nodeBox({
    root: join(folder, 'box'),
    programs: (argv) => hosted(join(folder, 'box'), argv),
    onLog: (_, text) => logs.push(text),
  });
  box.makeFolder('/tmp/box');
  box.makeFolder('/run');
  mkdirSync(join(folder, 'next'));
  /** Installs `next` over `old`. Returns the traffic and the messages in the journal. */
  const install = (old: Buffer | undefined, next: Buffer, mode = 'ranges') => {
    if (old) box.writeFile('/tmp/box/old.efi', old);
    writeFileSync(join(folder, 'next', 'uki.efi'), next);
    const traffic: Traffic = { fetched: 0, copied: 0 };
    const files = { 'uki.efi': { size: next.length, sha256: sum(next) } };
    const release = { version: '2026.1129.0', files } as unknown as SlotOptions['release'];
    const installed = old && 'old.efi';
    const origin = { base: `${base}/${mode}` };
    ukiContent(box, { origin, folder: 'next', release, installed, traffic }).write('/tmp/box/new.efi');
    assert.equal(sum(readFileSync(box.path('/tmp/box/new.efi'))), sum(next));
    return { ...traffic, journal: logs.splice(0).join() };
  };
  return { folder, install };
}

test('a UKI: the pieces that the installed UKI also has, at any place, are copied', async (t) => {
  const { folder, install } = await ukiBench(t);
  const [linux, a, b, c] = [random(1, 900_000), random(2, 300_000), random(3, 200_000), random(4, 250_000)];
  const uki = (hash: string, kernel: Buffer, ...archives: Buffer[]) => ukiOf(folder, hash, kernel, archives);
  const old = await uki('a', linux, a, b, c);
  const fetched = async (next: Promise<Buffer>, mode?: string) => install(old, await next, mode).fetched;
  const few = 10_000;
  assert.ok((await fetched(uki('b', linux, a, b, c))) < few, 'another command line');
  assert.ok((await fetched(uki('b', linux, c, a, b))) < few, 'moved archives');
  assert.ok((await fetched(uki('b', linux, a, c))) < few, 'an archive is removed');
  assert.ok((await fetched(uki('b', linux, b, b, b))) < few, 'one archive occurs three times');
  const changed = await fetched(uki('b', linux, a, random(5, 200_000), c));
  assert.ok(changed > 200_000 && changed < 200_000 + few, 'another archive of the same size');
  assert.ok((await fetched(uki('b', linux, random(5, 1000), a, b, c))) < 1000 + few, 'an archive is added');
  const kernel = await fetched(uki('b', random(6, 900_000), a, b, c));
  assert.ok(kernel > 900_000 && kernel < 900_000 + few, 'another kernel of the same size');
  assert.ok(
    (await fetched(uki('b', random(6, 800_000), a, b, c))) < 800_000 + few,
    'another kernel of another size',
  );
  assert.ok((await fetched(uki('b', linux, a, b, c), 'none')) > 1_600_000, 'a server without ranges');
});

test('a UKI: a connection that breaks now and then loses one request', async (t) => {
  const { folder, install } = await ukiBench(t);
  const old = await ukiOf(folder, 'a', random(1, 1000), [random(2, 1000)]);
  const next = await ukiOf(folder, 'b', random(3, 26_000_000), [random(2, 1000)]);
  assert.ok(install(old, next, 'cut').fetched > 26_000_000);
});

test('a UKI: one or both have no index, or no UKI is installed', async (t) => {
  const { folder, install } = await ukiBench(t);
  const [linux, ram] = [random(1, 900_000), random(2, 700_000)];
  const frame = makeFrame(ram).length;
  const next = await ukiOf(folder, 'b', linux, [random(3, 5000), ram]);
  const old = await ukiOf(folder, 'a', linux, [ram], null);
  const older = await ukiOf(folder, 'a', linux, [ram, ram], null);
  assert.equal(
    install(older, next).copied,
    900_000,
    'the installed UKI has no index: a section is copied as a whole',
  );
  assert.equal(
    install(old, next).copied,
    900_000 + frame,
    'the initrd of the installed UKI is one of the archives',
  );
  for (const without of [await ukiOf(folder, 'b', linux, [ram], null), random(9, 50_000), random(9, 100)])
    assert.equal(install(old, without).fetched, without.length, 'nothing is fetched twice');
  assert.equal(install(undefined, next).fetched, next.length);
  assert.equal(install(random(9, 50_000), next).copied, 0, 'the installed UKI is not a PE file');
  assert.equal(install(Buffer.alloc(0), next).copied, 0, 'the installed UKI is empty');
});

test('a UKI: a wrong index in either UKI costs at most a second download', async (t) => {
  const { folder, install } = await ukiBench(t);
  const [linux, ram] = [random(1, 300_000), random(2, 200_000)];
  const digest = sum(linux);
  const line = (section: string, from: number | string, length: number | string, of = digest) =>
    `${section} ${from} ${length} ${of}\n`;
  const all = line('.linux', 0, 300_000);
  const other = random(4, 300_000);
  const wrong: Record<string, string | Buffer> = {
    'empty lines': '\n\n\n',
    'not text': random(7, 60_000),
    'not UTF-8': Buffer.concat([Buffer.from([0xff, 0xc0, 0x80, 10]), Buffer.from(all)]),
    'too large': all.repeat(1000),
    'of the largest allowed size': all.repeat(750),
    overlaps: all + line('.linux', 10, 299_990) + line('.linux', 4096, 4096, sum(linux.subarray(4096, 8192))),
    'beyond the end': line('.linux', 1, 300_000) + line('.initrd', 200_000, 300_000),
    'numbers larger than any file':
      line('.linux', '9'.repeat(400), '9'.repeat(400)) + line('.linux', 0, 2 ** 53),
    'empty pieces and unknown sections':
      line('.linux', 0, 0) + line('.linux', -1, 300_000) + line('.nothing', 0, 300_000),
    truncated: all.slice(0, -20),
    'another digest': line('.linux', 0, 300_000, sum(ram)),
    'a piece of the index itself': line(INDEX_SECTION, 0, 10),
  };
  for (const [name, text] of Object.entries(wrong)) {
    const index = Buffer.from(text);
    const good = await ukiOf(folder, 'a', linux, [ram]);
    const bad = await ukiOf(folder, 'b', linux, [ram], index);
    const wholly = await ukiOf(folder, 'b', other, [ram], index);
    for (const [old, next] of [
      [good, bad],
      [good, wholly],
      [bad, good],
      [wholly, good],
      [wholly, bad],
    ] as const)
      assert.ok(install(old, next).fetched < 2.2 * next.length, name);
  }
  const lie = await ukiOf(folder, 'b', other, [ram], Buffer.from(all));
  const result = install(await ukiOf(folder, 'a', linux, [ram]), lie);
  assert.match(result.journal, /does not match its index; all of it is fetched/);
  assert.ok(
    result.fetched > lie.length && result.copied === 0,
    'another kernel, with the digest of the old one',
  );
  const forged = await ukiOf(folder, 'a', other, [ram], Buffer.from(all));
  assert.match(install(forged, await ukiOf(folder, 'b', linux, [ram])).journal, /all of it is fetched/);
});

test('a UKI: wrong headers of sections cost at most a second download', async (t) => {
  const { folder, install } = await ukiBench(t);
  const good = await ukiOf(folder, 'a', random(1, 300_000), [random(2, 200_000)]);
  const bent = (at: number, value: number) => {
    const copy = Buffer.from(good);
    copy.writeUInt32LE(value, at);
    return copy;
  };
  // The fields: place of the PE header, number of sections, sizes and offset of .linux and of the index.
  for (const at of [
    60,
    70,
    ...[2, 4].flatMap((section) => [8, 16, 20].map((field) => 88 + 40 * section + field)),
  ])
    for (const value of [0, 4095, 0xffffffff]) {
      assert.ok(install(good, bent(at, value)).fetched < 2.2 * good.length, `${at} ${value}`);
      assert.ok(install(bent(at, value), good).fetched < 2.2 * good.length, `${at} ${value}`);
    }
});

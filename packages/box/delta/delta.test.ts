import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { sdkTree } from '../../../build/image/sdk.ts';
import { toolCommand } from '../../../sdk/tool.ts';
import type { Box, RunOptions } from '../io/box.ts';
import { nodeBox } from '../io/node.ts';
import { testFolder } from '../io/testing.ts';
import { fetchFile, fetchIfThere } from '../update/fetch.ts';
import { bytesOf, planCopies } from './plan.ts';
import { batchesOf, RESUME, RUNNING, type SlotOptions, slotContent, type Traffic } from './slot.ts';
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

/** Leaves of made-up blocks: what stands for the hash is the seed. */
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

test('a plan puts every block once, from where the same block is', () => {
  const seeds = fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 2, maxLength: 200 });
  fc.assert(
    fc.property(seeds, seeds, (old, next) => {
      const plan = planCopies(leavesOf(old), leavesOf(next));
      const made: (number | undefined)[] = next.map(() => undefined);
      const put = (at: number, seed: number | undefined) => {
        assert.equal(made[at], undefined, 'a block twice');
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

test('a plan: moved blocks, gaps up to 16 KiB fetched as well, another salt is as nothing known', () => {
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
  assert.equal(batchesOf(large, 0).length, 3);
  assert.equal(batchesOf(large, 2).length, 1);
  assert.equal(
    batchesOf(
      count(600).map((at) => ({ at: at * 9, count: 1 })),
      0,
    ).length,
    3,
    'at most 256 ranges at once',
  );
});

interface Bench {
  readonly box: Box;
  readonly options: (changes?: Partial<SlotOptions>) => SlotOptions;
  readonly traffic: Traffic;
  readonly old: TestRelease;
  readonly next: TestRelease;
  /** Whether the slot holds the release, by veritysetup. */
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

/** Programs see the box's files where they are on the host: absolute paths of the box are given its folder. */
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

test('a folder works as a server does; another salt fetches all', async (t) => {
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

test('servers: without ranges all comes in one stream; lies are found; cuts are mended; the rest is refused', async (t) => {
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
  assert.equal(traffic.fetched, fetched, 'nothing twice but the hash tree');
  box.writeFile(RESUME, '{"plan": "x"');
  slotContent(box, options()).write(DEVICES);
  assert.ok(whole(), 'a damaged record is none');
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

test('a UKI: sections that are the same come from the installed one', async (t) => {
  const random = (seed: number, size: number) =>
    blocksOf(count(Math.ceil(size / BLOCK), seed * 1000)).subarray(0, size);
  const linux = random(1, 900_000);
  const initrd = random(2, 700_000);
  const parts = (hash: string, kernel = linux, ram = initrd) =>
    peOf([
      ['.osrel', Buffer.from('A')],
      ['.cmdline', Buffer.from(`usrhash=${hash.repeat(64)}`)],
      ['.linux', kernel],
      ['.initrd', ram],
    ]);
  const folder = testFolder(t);
  const { base } = await startServer(t, folder);
  const box = nodeBox({ root: join(folder, 'box'), programs: (argv) => hosted(join(folder, 'box'), argv) });
  box.makeFolder('/tmp/box');
  box.makeFolder('/run');
  const install = (next: Buffer, mode = 'ranges', installed: string | undefined = 'old.efi') => {
    box.writeFile('/tmp/box/old.efi', parts('a'));
    mkdirSync(join(folder, 'next'), { recursive: true });
    writeFileSync(join(folder, 'next', 'uki.efi'), next);
    const traffic: Traffic = { fetched: 0, copied: 0 };
    const files = { 'uki.efi': { size: next.length, sha256: sum(next) } };
    const release = { version: '2026.1129.0', files } as unknown as SlotOptions['release'];
    ukiContent(box, {
      origin: { base: `${base}/${mode}` },
      folder: 'next',
      release,
      installed,
      traffic,
    }).write('/tmp/box/new.efi');
    assert.equal(sum(readFileSync(box.path('/tmp/box/new.efi'))), sum(next));
    return traffic.fetched;
  };
  assert.ok(install(parts('b')) < 20_000, 'another command line');
  const kernel = install(parts('b', random(3, 900_000)));
  assert.ok(
    kernel > 1_500_000 && kernel < 1_700_000,
    'another kernel of the same size: first the initrd is doubted',
  );
  assert.ok(install(parts('b', random(3, 800_000))) < 830_000, 'a kernel of another size');
  assert.ok(install(parts('b', linux, random(4, 700_000))) < 730_000, 'another initrd');
  assert.ok(install(parts('b'), 'none') > 1_600_000, 'a server without ranges');
  box.remove('/tmp/box/old.efi');
  assert.ok(install(random(9, 50_000)) >= 50_000, 'not a PE file at all');
});

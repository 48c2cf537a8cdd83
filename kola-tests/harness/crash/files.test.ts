import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runTool } from '../../../sdk/tool.ts';
import { toolTree } from '../qemu/tree.ts';
import { type FilesFound, watchFiles } from './files.ts';
import { statesOf } from './survey.ts';
import { difference, type Request, recordingOf, SECTOR } from './testing.ts';

const SIZE = 4 << 20;
const region = { offset: 0, length: SIZE };

let dir = '';
let tools = '';
before(async () => {
  tools = await toolTree('sdk-fsck');
  dir = await mkdtemp(join(tmpdir(), 'crash-files-'));
});
after(async () => await rm(dir, { recursive: true }));

/** Makes an ext4 file system with these files, and changes it by debugfs(8). */
async function fileSystem(
  name: string,
  files: Readonly<Record<string, string>>,
  commands: readonly string[] = [],
) {
  const [from, image, script] = [`${name}.dir`, `${name}.raw`, `${name}.debugfs`].map((each) =>
    join(dir, each),
  );
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(from!, path, '..'), { recursive: true });
    await writeFile(join(from!, path), text);
  }
  const fixed = ['-E', 'root_owner=0:0,hash_seed=6f1c8de5-0a3c-4d53-9a27-b1f8c3e5a001', '-U', 'clear'];
  await runTool(tools, 'mke2fs', ['-q', '-t', 'ext4', ...fixed, '-d', from!, image!, `${SIZE / 1024}k`]);
  if (commands.length > 0) {
    await writeFile(script!, `${commands.join('\n')}\n`);
    await runTool(tools, 'debugfs', ['-w', '-f', script!, image!]);
  }
  return await readFile(image!);
}

const watched = async (base: Buffer, requests: readonly Request[], ...paths: string[]): Promise<FilesFound> =>
  await watchFiles(recordingOf(SIZE, base, requests), { region, paths, tools, dir });

test('files have entries with content, mode and owner, before and after; a missing path has none', async () => {
  const base = await fileSystem('old', { 'etc/a': 'old', 'etc/gone': 'x' });
  await writeFile(join(dir, 'new-a'), 'new');
  const changed = await fileSystem('new', { 'etc/a': 'old', 'etc/gone': 'x' }, [
    'rm /etc/gone',
    'rm /etc/a',
    `write ${join(dir, 'new-a')} /etc/a`,
    'set_inode_field /etc/a mode 0100600',
    'symlink /etc/link a',
  ]);
  const differing = difference(base, changed, region);
  assert.ok(differing.length > 0);
  // One write changes everything, so every state is the first or the last one.
  const first = differing[0]!.sector!;
  const lastOne = differing.at(-1)!;
  const end = lastOne.sector! + (lastOne.data as Buffer).length / SECTOR;
  const whole: Request = { sector: first, data: changed.subarray(first * SECTOR, end * SECTOR), fua: true };
  const found = await watched(base, [whole, { flush: true }], '/etc/a', '/etc/gone', '/etc/link', '/none');
  assert.deepEqual([...found.first.keys()], ['/etc/a', '/etc/gone']);
  assert.deepEqual([...found.last.keys()], ['/etc/a', '/etc/link']);
  assert.match(found.first.get('/etc/a')!, /^regular 0644 \d+:\d+ [0-9a-f]{64}$/);
  assert.match(found.last.get('/etc/a')!, /^regular 0600 /);
  assert.notEqual(found.first.get('/etc/a')?.split(' ')[3], found.last.get('/etc/a')?.split(' ')[3]);
  assert.match(found.last.get('/etc/link')!, /^symlink .* a$/);
});

test('a damaged file system is reported with its state; the other states are still read', async () => {
  const base = await fileSystem('whole', { a: 'a' });
  const found = await watched(base, [{ sector: 2, data: Buffer.alloc(2 * SECTOR, 0xff) }], '/a');
  assert.equal(found.first.get('/a')?.startsWith('regular'), true);
  assert.ok(found.wrong.length > 0);
  assert.match(found.wrong[0]!, /^state \d+: /);
});

test('equal bytes by different writes are the same state partition, which is read once', async () => {
  const base = await fileSystem('twice', { a: 'a' });
  // These sectors at the end of the file system belong to no file. The second request writes the data that they already
  // have.
  const sector = SIZE / SECTOR - 4;
  const same = base.subarray((sector + 1) * SECTOR, (sector + 2) * SECTOR);
  const requests: Request[] = [
    { sector, data: Buffer.alloc(SECTOR, 'x') },
    { sector: sector + 1, data: same },
    { flush: true },
    { sector, data: Buffer.alloc(SECTOR, 'y') },
    { sector, data: Buffer.alloc(SECTOR, 'x'), fua: true },
  ];
  const found = await watched(base, requests, '/a');
  assert.equal(found.partitions, 3);
  assert.ok(found.states > 6, `${found.states} states`);
  assert.equal(found.kinds.length, 1);
  assert.deepEqual(found.wrong, []);
});

test('each of many states is read correctly by any of the readers', async () => {
  const base = await fileSystem('many', { a: `${'0'.repeat(4095)}\n` });
  const at = base.indexOf('0'.repeat(4095)) / SECTOR;
  const requests = Array.from({ length: 12 }, (_, index): Request[] => [
    { sector: at + (index % 8), data: Buffer.alloc(SECTOR, String(index % 10)) },
    ...(index % 3 === 2 ? [{ flush: true } as const] : []),
  ]).flat();
  const recording = recordingOf(SIZE, base, requests);
  const found = await watchFiles(recording, { region, paths: ['/a'], tools, dir });
  const expected: string[] = [];
  for (const { disk } of statesOf(recording)) {
    const bytes = disk.view(region).read(at * SECTOR, 4096);
    expected.push(createHash('sha256').update(bytes).digest('hex'));
  }
  assert.equal(found.states, expected.length);
  for (const { files, count, first } of found.kinds) {
    const digest = files.get('/a')?.split(' ').at(-1);
    assert.equal(expected.indexOf(digest!), first);
    assert.equal(expected.filter((one) => one === digest).length, count);
  }
  assert.equal(found.partitions, new Set(expected).size);
});

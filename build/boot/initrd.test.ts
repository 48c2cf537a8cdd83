import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { canonicalJson } from '../../sdk/lib/files.ts';
import { fakeTree } from '../../sdk/testing.ts';
import { source } from '../graph/target.ts';
import { given, runRecipe } from '../graph/testing-recipe.ts';
import { cutArchives } from '../tree/cpio.ts';
import type { Tree } from '../tree/entry.ts';
import { mergeLayers } from '../tree/merge.ts';
import { dir, file, hardlink, makeElf, symlink, treeOf } from '../tree/testing.ts';
import { type InitrdPlan, initrdArchive } from './initrd.ts';
import { initrdPieces } from './initrd-pieces.ts';
import { makeModule } from './testing.ts';

const LIB = 'usr/lib/x86_64-linux-gnu';
const MODULES = 'usr/lib/modules/6.1';

const entries = [
  file('usr/bin/tool', makeElf({ interpreter: '/lib64/ld.so', needed: ['liba.so.1'] }), { mode: 0o755 }),
  hardlink('usr/bin/tool-too', 'usr/bin/tool', { mode: 0o755 }),
  symlink('usr/bin/alias', 'tool'),
  file('usr/bin/lost', makeElf({ needed: ['libnowhere.so'] })),
  symlink('usr/lib64/ld.so', '../lib/x86_64-linux-gnu/ld.so'),
  file(`${LIB}/ld.so`, makeElf({})),
  symlink(`${LIB}/liba.so.1`, 'liba.so.1.2'),
  file(`${LIB}/liba.so.1.2`, makeElf({ soname: 'liba.so.1' })),
  file(`${LIB}/libopened.so`, makeElf({})),
  file('usr/lib/systemd/system/one.service', '[Service]'),
  file('usr/share/unwanted', 'x'),
  file(`${MODULES}/modules.dep`, 'kernel/ext4.ko: kernel/jbd2.ko\nkernel/jbd2.ko:\nkernel/other.ko:\n'),
  file(`${MODULES}/modules.dep.bin`, ''),
  file(`${MODULES}/modules.alias.bin`, 'aliases of all modules of the image'),
  file(`${MODULES}/modules.builtin.bin`, ''),
  file(`${MODULES}/modules.builtin.alias.bin`, ''),
  ...['ext4', 'jbd2'].map((name) => file(`${MODULES}/kernel/${name}.ko`, makeModule([['license', name]]))),
  file(
    `${MODULES}/kernel/other.ko`,
    makeModule([
      ['firmware', 'card/one.fw'],
      ['firmware', 'card/not-shipped.fw'],
    ]),
  ),
  file('usr/lib/firmware/card/one.fw', 'firmware'),
];
const image = mergeLayers([{ packages: [{ name: 'all', entries }] }]);

const empty: InitrdPlan = { binaries: [], libraries: [], files: [], units: [], links: {}, directories: [] };

let folder = '';
let tools = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draisine-initrd-'));
  // Called as depmod -b FOLDER RELEASE. Each index lists the modules that it was given, in their order.
  tools = await fakeTree(join(folder, 'tools'), {
    depmod: `cd "$2/lib/modules/$3"
for name in alias.bin dep dep.bin devname softdep symbols.bin; do
  echo "$name of $(echo $(cat modules.order)): $(cd kernel && echo *)" >"modules.$name"
done`,
  });
  await mkdir(join(folder, 'overlay/usr/lib'), { recursive: true });
  await writeFile(join(folder, 'overlay/usr/lib/ours'), 'ours');
});
after(() => rm(folder, { recursive: true, force: true }));

/** Builds an uncompressed initrd. Returns the names in it, in order. */
async function build(
  plan: Partial<InitrdPlan>,
  {
    modules = [] as readonly string[],
    tree = image,
    overlay = join(folder, 'overlay'),
    after = null as { plan: InitrdPlan; modules: readonly string[] } | null,
  } = {},
): Promise<{ readonly bytes: Buffer; readonly names: readonly string[] }> {
  const own = await mkdtemp(join(folder, 'run-'));
  await writeFile(join(own, 'tree'), canonicalJson(tree));
  const target = initrdArchive('initrd', {
    tree: await given(join(own, 'tree')),
    plan: { ...empty, ...plan },
    modules,
    after,
    overlay: source(overlay),
    sources: { one: 'both', two: 'both' },
    sdk: await given(tools),
    epoch: 1_700_000_000,
  });
  const bytes = await readFile((await runRecipe(target, own)).out);
  const names = [...bytes.toString('latin1').matchAll(/070701[0-9a-f]{104}([^\0]+)\0/g)].map(
    ([, name]) => name ?? '',
  );
  return { bytes, names: names.filter((name) => name !== 'TRAILER!!!') };
}

async function fails(run: Promise<unknown>, what: RegExp): Promise<void> {
  await assert.rejects(run, (error) => error instanceof Failure && what.test(error.message));
}

test('the initrd has the named files and their dependencies, and nothing else', async () => {
  const { names } = await build({ binaries: ['usr/bin/tool'] }, { modules: ['ext4'] });
  for (const path of [
    'usr/bin/tool',
    'usr/lib64/ld.so', // the interpreter /lib64/ld.so, by the alias and the links on the way
    `${LIB}/ld.so`,
    `${LIB}/liba.so.1`,
    `${LIB}/liba.so.1.2`,
    `${MODULES}/kernel/ext4.ko`,
    `${MODULES}/kernel/jbd2.ko`,
    `${MODULES}/modules.dep.bin`,
    'lib64',
    'usr/lib/ours',
  ])
    assert.ok(names.includes(path), path);
  for (const path of ['usr/share/unwanted', `${MODULES}/kernel/other.ko`, `${LIB}/libopened.so`])
    assert.ok(!names.includes(path), path);
  assert.deepEqual(names, [...new Set(names)]);
});

test('the module indexes list the modules of the initrd only, in the order of the image', async () => {
  const { names, bytes } = await build({}, { modules: ['ext4'] });
  assert.equal(names.filter((name) => name.endsWith('/modules.alias.bin')).length, 1);
  const text = bytes.toString('latin1');
  assert.ok(text.includes('alias.bin of kernel/ext4.ko kernel/jbd2.ko: ext4.ko jbd2.ko\n'));
  assert.ok(!text.includes('aliases of all modules'));
  assert.ok(!text.includes('kernel/other.ko'));
  assert.ok(
    names.includes(`${MODULES}/modules.builtin.alias.bin`),
    'the built-in modules stay in the indexes',
  );
});

test('libraries opened with dlopen, units, links and folders of the plan', async () => {
  const { names } = await build({
    libraries: ['libopened.so'],
    units: ['one.service'],
    links: { init: 'usr/bin/tool' },
    directories: ['sysroot'],
  });
  for (const path of [`${LIB}/libopened.so`, 'usr/lib/systemd/system/one.service', 'init', 'sysroot'])
    assert.ok(names.includes(path), path);
});

test('a module brings the firmware that it asks for, if the image has it', async () => {
  const { names } = await build({}, { modules: ['other'] });
  assert.deepEqual(
    names.filter((name) => name.endsWith('.fw')),
    ['usr/lib/firmware/card/one.fw'],
  );
});

test('a single hard link becomes the file, and a symlink brings its target', async () => {
  const { names, bytes } = await build({ files: ['usr/bin/tool-too', 'usr/bin/alias'] });
  assert.ok(names.includes('usr/bin/tool-too') && names.includes('usr/bin/tool'));
  assert.equal(bytes.toString('latin1').split('\x7fELF').length - 1, 2);
});

test('two builds give the same bytes', async () => {
  const plan = { binaries: ['usr/bin/tool'], units: ['one.service'] };
  assert.deepEqual((await build(plan)).bytes, (await build(plan)).bytes);
});

test('an initrd is a row of archives: a change of a large package changes the bytes of one, and no file is lost', async () => {
  const large = (path: string, name: string, seed: string) =>
    file(path, seed.repeat(70_000), { origin: `deb:${name}` });
  const treeWith = (seed: string) =>
    mergeLayers([
      {
        packages: [
          { name: 'all', entries },
          { name: 'one', entries: [large('usr/bin/one', 'one', 'a')] },
          { name: 'two', entries: [large('usr/bin/two', 'two', 'b')] },
          { name: 'three', entries: [large('usr/sbin/three', 'three', seed)] },
        ],
      },
    ]);
  const files = ['usr/bin/one', 'usr/bin/two', 'usr/sbin/three'];
  const made = (seed: string) => build({ files }, { tree: treeWith(seed) });
  const [first, again, other] = [await made('c'), await made('c'), await made('d')];
  assert.deepEqual(first.bytes, again.bytes);
  const [before, after] = [cutArchives(first.bytes), cutArchives(other.bytes)];
  assert.equal(before.length, 3, 'the first archive, both packages of one source, the third package');
  assert.deepEqual(
    before.map((archive, index) => archive.equals(after[index]!)),
    [true, true, false],
  );
  assert.deepEqual(first.names, [...new Set(first.names)]);
  const rest = await build({ files: [] }, { tree: treeWith('c') });
  assert.deepEqual([...first.names].sort(), [...rest.names, 'usr/bin', 'usr/sbin', ...files].sort());
});

test('pieces: folders and links are in the first one, hard links of a file in one piece, small groups in the first one', () => {
  const of = (name: string) => ({ origin: `deb:${name}` });
  const tree = treeOf(
    dir('a', of('big')),
    file('a/big', 'x'.repeat(64 << 10), of('big')),
    hardlink('a/also-big', 'a/big', of('big')),
    symlink('a/link', 'big', of('big')),
    file('b', 'x'.repeat((64 << 10) - 1), of('small')),
    file('c', 'x'.repeat(64 << 10), { origin: 'overlay:c' }),
    file('d', 'x'.repeat(40_000), of('left')),
    file('e', 'x'.repeat(40_000), of('right')),
  );
  const paths = (pieces: readonly Tree[]) => pieces.map((piece) => piece.entries.map(({ path }) => path));
  const pieces = initrdPieces(tree, { big: 'zebra', left: 'both', right: 'both' });
  assert.deepEqual(paths(pieces), [['a', 'a/link', 'b'], ['d', 'e'], ['c'], ['a/also-big', 'a/big']]);
  assert.deepEqual(
    treeOf(...pieces.flatMap((piece) => piece.entries)),
    tree,
    'each entry of the tree is in one piece',
  );
  assert.deepEqual(paths(initrdPieces(treeOf(dir('x')), {})), [['x']]);
});

test('an error names each fault of a plan', async () => {
  await fails(build({ binaries: ['usr/bin/gone'] }), /\/usr\/bin\/gone is not in the tree/);
  await fails(build({ files: ['usr/share/gone'] }), /\/usr\/share\/gone is not in the image/);
  await fails(build({ units: ['gone.service'] }), /system\/gone\.service is not in the image/);
  await fails(build({ libraries: ['libgone.so'] }), /libgone\.so is not in the tree/);
  await fails(build({ binaries: ['usr/bin/lost'] }), /needs libnowhere\.so/);
  await fails(build({}, { modules: ['ext4', 'zfs', 'xfs'] }), /modules not in the image: zfs, xfs/);
  await fails(build({}, { tree: treeOf(dir('usr')) }), /no kernel modules/);
});

test('a plan and an overlay that make the same path are an error', async () => {
  await fails(build({ links: { 'usr/lib/ours': 'x' } }), /replaces paths without naming them/);
  const overlay = join(folder, 'shadow');
  await mkdir(join(overlay, 'usr/bin'), { recursive: true });
  await writeFile(join(overlay, 'usr/bin/tool'), 'x');
  await fails(build({ binaries: ['usr/bin/tool'] }, { overlay }), /replaces paths without naming them/);
});

test('an initrd that follows another one has only the missing files, and indexes over the modules of both', async () => {
  const first = { plan: { ...empty, binaries: ['usr/bin/tool'] }, modules: ['ext4'] };
  const { names, bytes } = await build(
    { binaries: ['usr/bin/tool'], libraries: ['libopened.so'] },
    { modules: ['other'], after: first },
  );
  for (const path of [`${LIB}/libopened.so`, `${MODULES}/kernel/other.ko`, `${MODULES}/modules.dep.bin`])
    assert.ok(names.includes(path), path);
  for (const path of ['usr/bin/tool', `${LIB}/liba.so.1`, `${MODULES}/kernel/ext4.ko`])
    assert.ok(!names.includes(path), path);
  assert.match(bytes.toString('latin1'), /alias\.bin of [^\n]*: ext4\.ko jbd2\.ko other\.ko\n/);
});

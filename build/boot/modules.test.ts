import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { canonicalJson } from '../../sdk/lib/files.ts';
import { fakeTree } from '../../sdk/testing.ts';
import { given, runRecipe } from '../graph/testing-recipe.ts';
import type { Entry, Tree } from '../tree/entry.ts';
import { file } from '../tree/testing.ts';
import { kernelImage, kernelRelease, moduleSet } from './modules.ts';
import { makeModule } from './testing.ts';

const RELEASE = '6.12.1-amd64';
const MAGIC = `${RELEASE} SMP preempt mod_unload `;
const EXTRA = `usr/lib/modules/${RELEASE}/extra`;

/** A fake depmod that writes all indexes, so that these tests need no tool. */
const DEPMOD = `for name in alias.bin builtin.alias.bin builtin.bin dep dep.bin devname softdep symbols.bin; do
  { echo "$name of $3"; cat "$2/lib/modules/$3/modules.order"; } >"$2/lib/modules/$3/modules.$name"
done`;

let folder = '';
let tree = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draisine-modules-'));
  tree = await fakeTree(join(folder, 'tree'), { depmod: DEPMOD });
});
after(() => rm(folder, { recursive: true, force: true }));

function ko(depends = '', { magic = MAGIC, softdep }: { magic?: string; softdep?: string } = {}): Buffer {
  return makeModule([
    ['depends', depends],
    ...(softdep === undefined ? [] : [['softdep', softdep] as const]),
    ['vermagic', magic],
  ]);
}

const SHIPPED: Readonly<Record<string, string>> = {
  'modules.builtin': 'kernel/lib/built-in-one.ko\n',
  'modules.order': 'kernel/fs/ext4.ko\nkernel/fs/jbd2.ko\n',
};

const kernelEntries: readonly Entry[] = [
  file(`boot/vmlinuz-${RELEASE}`, 'the kernel'),
  ...['modules.builtin', 'modules.builtin.modinfo', 'modules.order'].map((name) =>
    file(`lib/modules/${RELEASE}/${name}`, SHIPPED[name] ?? ''),
  ),
  ...Object.entries({
    'fs/erofs': ko('lz4-decompress,built_in_one'),
    'lib/lz4_decompress': ko(),
    'fs/ext4': ko('jbd2', { softdep: 'pre: crc32c' }),
    'fs/jbd2': ko(),
    'lib/crc32c': ko(),
    'net/unwanted': ko(),
  }).map(([name, bytes]) => file(`lib/modules/${RELEASE}/kernel/${name}.ko`, bytes)),
];

interface Wanted {
  readonly names: readonly string[];
  readonly extra?: readonly Entry[];
  readonly kernel?: readonly Entry[];
}

async function build(wanted: Wanted): Promise<Tree> {
  const own = await mkdtemp(join(folder, 'run-'));
  return JSON.parse(await readFile((await run(wanted, own)).out, 'utf8')) as Tree;
}

async function run({ names, extra = [], kernel = kernelEntries }: Wanted, own: string) {
  const document = async (name: string, value: unknown) => {
    await writeFile(join(own, name), canonicalJson(value));
    return await given(join(own, name));
  };
  const target = moduleSet('modules', {
    kernel: await document('kernel', { name: 'linux-image', entries: kernel }),
    extra: [await document('extra', { entries: extra })],
    names,
    sdk: await given(tree),
    sdkXz: await given(tree),
  });
  return await runRecipe(target, own);
}

async function fails(wanted: Wanted, what: RegExp): Promise<void> {
  await assert.rejects(build(wanted), (error) => {
    assert.ok(error instanceof Failure, String(error));
    assert.match(error.message, what);
    return true;
  });
}

test('the named modules, in any spelling, come with their dependencies; built-in modules need no file', async () => {
  const { entries } = await build({ names: ['erofs', 'ext4', 'built-in-one'] });
  const modules = entries
    .filter(({ path }) => path.endsWith('.ko'))
    .map(({ path }) => path.split('/').at(-1));
  assert.deepEqual(modules, ['erofs.ko', 'ext4.ko', 'jbd2.ko', 'crc32c.ko', 'lz4_decompress.ko']);
  const indexes = entries.filter(({ origin }) => origin === 'depmod').map(({ path }) => path);
  assert.ok(indexes.includes(`usr/lib/modules/${RELEASE}/modules.dep.bin`));
});

test('all modules of recipes are taken, with their dependencies', async () => {
  const extra = [file(`${EXTRA}/zfs.ko`, ko('spl,jbd2')), file(`${EXTRA}/spl.ko`, ko())];
  const { entries } = await build({ names: [], extra });
  const names = entries.flatMap(({ path }) => (path.endsWith('.ko') ? [path.split('/').at(-1)] : []));
  assert.deepEqual(names, ['spl.ko', 'zfs.ko', 'jbd2.ko']);
});

test('depmod gets the order of the kernel, which decides which of two drivers is tried first', async () => {
  const own = await mkdtemp(join(folder, 'order-'));
  const { blobs } = await run({ names: ['ext4'] }, own);
  const told = [...blobs.values()].map(String).find((text) => text.startsWith('dep of'));
  assert.equal(told, `dep of ${RELEASE}\nkernel/fs/ext4.ko\nkernel/fs/jbd2.ko\n`);
});

test('an extra module for another kernel release is refused, because the kernel would never load it', async () => {
  const extra = [file('usr/lib/modules/6.12.2-amd64/extra/zfs.ko', ko(), { origin: 'recipe:zfs' })];
  await assert.rejects(build({ names: [], extra }), (error) => {
    assert.ok(error instanceof Failure);
    assert.equal(error.exitCode, 2);
    assert.match(
      error.message,
      /6\.12\.2-amd64\/extra\/zfs\.ko was built for another kernel than 6\.12\.1-amd64/,
    );
    assert.equal(error.where, 'recipe:zfs');
    assert.match(error.hint ?? '', /headers of this kernel/);
    return true;
  });
});

test('an extra module with another vermagic is refused even in the right folder', async () => {
  const odd = ko('', { magic: `${RELEASE} SMP mod_unload ` });
  await fails(
    { names: ['ext4', 'erofs'], extra: [file(`${EXTRA}/zfs.ko`, odd)] },
    /modules of different kernels: zfs \(vermagic 6\.12\.1-amd64 SMP mod_unload\)/,
  );
  const none = makeModule([['depends', '']]);
  await fails({ names: ['ext4'], extra: [file(`${EXTRA}/zfs.ko`, none)] }, /zfs \(vermagic \(none\)\)/);
});

test('one error names all unknown modules', async () => {
  await fails({ names: ['ext5', 'ext4', 'btrfz'] }, /linux-image has no module btrfz, ext5$/);
});

test('a file that is not a module and a package without a kernel are refused', async () => {
  await fails({ names: [], extra: [file(`${EXTRA}/zfs.ko`, 'text')] }, /not an ELF64 kernel module/);
  await fails({ names: [], kernel: [] }, /expected one kernel, found 0/);
  const withoutOrder = kernelEntries.filter(({ path }) => !path.endsWith('modules.order'));
  await fails({ names: [], kernel: withoutOrder }, /ships no modules\.order/);
});

test('a package must have exactly one kernel', async () => {
  assert.equal(kernelRelease(kernelEntries, 'x'), RELEASE);
  const two = [...kernelEntries, file('boot/vmlinuz-6.13', '')];
  assert.throws(() => kernelRelease(two, 'x'), /expected one kernel, found 2/);
  const own = await mkdtemp(join(folder, 'image-'));
  await writeFile(join(own, 'kernel'), canonicalJson({ name: 'linux-image', entries: kernelEntries }));
  const target = kernelImage('kernel', { kernel: await given(join(own, 'kernel')) });
  assert.equal(await readFile((await runRecipe(target, own)).out, 'utf8'), 'the kernel');
});

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sha256 } from '../../sdk/lib/files.ts';
import { buildTargets } from '../graph/run.ts';
import type { Store } from '../graph/store.ts';
import type { Target } from '../graph/target.ts';
import { neverAborted, temporaryFolder, temporaryStore } from '../graph/testing.ts';
import type { LoadedImage } from '../product/images.ts';
import { findManifest, formatManifest, readManifest } from '../product/manifest.ts';
import { publishImage, publishSingle } from './publish-image.ts';
import { wrap, write } from './testing.ts';
import { pickTargets, wholeTargets } from './wanted.ts';

const HASH = 'ab'.repeat(32);

function imageOf(version: string, disk: string): LoadedImage {
  const usr = write('box:usr', { text: `usr ${disk}` });
  return {
    name: 'box',
    version,
    ...{ epoch: 1_700_000_000, certificate: '', trust: '' },
    lock: sha256('lock'),
    packages: [
      { name: 'zsh', version: '1', architecture: 'amd64' },
      { name: 'bash', version: '2', architecture: 'amd64' },
    ],
    commandLines: { disk: 'quiet' },
    usrHash: write('box:usr-hash', { text: `${HASH}\n` }),
    tree: write('box:tree', { text: '{"entries":[]}' }),
    targets: { kernel: write('kernel', { text: 'kernel' }) },
    artifacts: {
      usr: { target: usr, file: 'usr.erofs', byDefault: true },
      disk: { target: wrap('box:disk', { of: usr }), file: `box-${version}.img`, byDefault: true },
      iso: { target: write('box:iso', { text: `iso ${disk}` }), file: 'box.iso', byDefault: false },
    },
  };
}

const build = (store: Store, targets: readonly Target[]) =>
  buildTargets(targets, { store, signal: neverAborted() });

test('an image lands in its folder with a manifest that tells the truth', async (t) => {
  const store = await temporaryStore(t);
  const folder = join(await temporaryFolder(t), 'out');
  const image = imageOf('1', 'x');
  const manifest = await publishImage(store, image, await build(store, wholeTargets(image)), folder);
  assert.deepEqual(readdirSync(folder).sort(), ['box-1.img', 'manifest.json', 'tree.json', 'usr.erofs']);
  assert.deepEqual(readManifest(join(folder, 'manifest.json')), {
    ...manifest,
    artifacts: manifest?.artifacts.toReversed(),
    packages: image.packages.toReversed(),
  });
  assert.equal(manifest?.usrHash, HASH);
  for (const { path, size, sha256: digest } of manifest?.artifacts ?? []) {
    const bytes = readFileSync(join(folder, path));
    assert.equal(bytes.length, size);
    assert.equal(sha256(bytes), digest);
  }
  assert.equal(findManifest(folder).manifest.name, 'box');
  const { mtimeNs, ino } = statSync(join(folder, 'manifest.json'), { bigint: true });
  await publishImage(store, image, await build(store, wholeTargets(image)), folder);
  const after = statSync(join(folder, 'manifest.json'), { bigint: true });
  assert.deepEqual([after.mtimeNs, after.ino], [mtimeNs, ino], 'nothing changed, nothing written');
});

test('a new version takes the files of the old one away, but nothing that is the user’s', async (t) => {
  const store = await temporaryStore(t);
  const folder = await temporaryFolder(t);
  writeFileSync(join(folder, 'notes.txt'), 'mine');
  for (const version of ['1', '2']) {
    const image = imageOf(version, version);
    await publishImage(store, image, await build(store, wholeTargets(image)), folder);
  }
  assert.deepEqual(readdirSync(folder).sort(), [
    'box-2.img',
    'manifest.json',
    'notes.txt',
    'tree.json',
    'usr.erofs',
  ]);
});

test('a manifest cannot make us remove files elsewhere', async (t) => {
  const store = await temporaryStore(t);
  const root = await temporaryFolder(t);
  const folder = join(root, 'out');
  const image = imageOf('1', 'x');
  const outputs = await build(store, wholeTargets(image));
  const manifest = await publishImage(store, image, outputs, folder);
  writeFileSync(join(root, 'precious'), 'mine');
  const hostile = { name: 'evil', path: '../precious', size: 1, sha256: sha256('') };
  writeFileSync(
    join(folder, 'manifest.json'),
    formatManifest({ ...manifest!, version: '0', artifacts: [hostile] }),
  );
  await publishImage(store, image, outputs, folder);
  assert.equal(readFileSync(join(root, 'precious'), 'utf8'), 'mine');
});

test('a single artifact is put beside the others and corrects the manifest; it stays while the image is the same', async (t) => {
  const store = await temporaryStore(t);
  const folder = await temporaryFolder(t);
  const image = imageOf('1', 'x');
  const iso = await build(store, [image.artifacts.iso!.target]);
  assert.equal(await publishSingle(store, image, 'iso', iso, folder), join(folder, 'box.iso'));
  assert.deepEqual(readdirSync(folder), ['box.iso']);
  const whole = await build(store, wholeTargets(image));
  await publishImage(store, image, whole, folder);
  await publishSingle(store, image, 'iso', iso, folder);
  const names = () => readManifest(join(folder, 'manifest.json')).artifacts.map(({ name }) => name);
  assert.deepEqual(names(), ['disk', 'iso', 'usr']);
  await publishImage(store, image, whole, folder);
  assert.deepEqual(names(), ['disk', 'iso', 'usr']);
  const next = imageOf('2', 'y');
  const before = readFileSync(join(folder, 'manifest.json'));
  await publishSingle(store, next, 'disk', await build(store, [next.artifacts.disk!.target]), folder);
  assert.deepEqual(readFileSync(join(folder, 'manifest.json')), before, 'it names no files of two versions');
  await publishImage(store, next, await build(store, wholeTargets(next)), folder);
  assert.deepEqual(names(), ['disk', 'usr']);
  assert.ok(!readdirSync(folder).includes('box.iso'));
});

test('an incomplete build publishes nothing', async (t) => {
  const store = await temporaryStore(t);
  const folder = await temporaryFolder(t);
  const image = imageOf('1', 'x');
  const outputs = await build(store, [image.usrHash, image.tree]);
  assert.equal(await publishImage(store, image, outputs, folder), undefined);
  assert.deepEqual(readdirSync(folder), []);
});

test('a damaged manifest of an earlier build is written anew', async (t) => {
  const store = await temporaryStore(t);
  const folder = await temporaryFolder(t);
  const image = imageOf('1', 'x');
  writeFileSync(join(folder, 'manifest.json'), '{"name":');
  await publishImage(store, image, await build(store, wholeTargets(image)), folder);
  assert.equal(readManifest(join(folder, 'manifest.json')).name, 'box');
});

test('names: images, artifacts, any target they need; others are refused with near names', () => {
  const images = new Map([['box', imageOf('1', 'x')]]);
  const names = (...asked: string[]) => pickTargets(asked, images).targets.map(({ name }) => name);
  assert.deepEqual(names('box'), ['box:usr', 'box:disk', 'box:usr-hash', 'box:tree']);
  assert.deepEqual(names('box:iso', 'box:iso', 'kernel'), ['box:iso', 'kernel']);
  assert.deepEqual(
    pickTargets(['box:iso'], images).single.map(({ artifact }) => artifact),
    ['iso'],
  ); // prettier-ignore
  assert.throws(() => names('box:dsk'), {
    message: 'there is no target box:dsk',
    hint: /did you mean .*box:disk/,
    exitCode: 2,
  });
  assert.throws(() => names('kernle'), { hint: /did you mean .*kernel/ });
  assert.throws(() => names('constructor'), { message: 'there is no target constructor' });
  assert.throws(() => names('box:constructor'), { message: 'there is no target box:constructor' });
});

test('a file that is not a manifest is refused with the path of the fault', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'manifest.json');
  const good = {
    name: 'a',
    version: '1',
    lock: 'l',
    usrHash: 'h',
    artifacts: [{ name: 'n', path: 'p', size: 1, sha256: 'a'.repeat(64) }],
    packages: [],
  };
  const cases: [string, RegExp][] = [
    ['{', /the manifest is not JSON/],
    ['null', /\$ must be object/],
    [JSON.stringify({ ...good, version: 1 }), /\$\.version must be string/],
    [JSON.stringify({ ...good, artifacts: {} }), /\$\.artifacts must be array/],
    [JSON.stringify({ ...good, artifacts: [null] }), /\$\.artifacts\[0\] must be object/],
    [
      JSON.stringify({ ...good, artifacts: [{ ...good.artifacts[0], size: '1' }] }),
      /\$\.artifacts\[0\]\.size must be number/,
    ],
    [
      JSON.stringify({ ...good, packages: [{ name: 'x' }] }),
      /\$\.packages\[0\] must have required property 'version'/,
    ],
  ];
  for (const [text, message] of cases) {
    writeFileSync(path, text);
    assert.throws(
      () => findManifest(folder),
      (error: Error & { where?: string; exitCode?: number }) =>
        message.test(error.message) && error.where?.replace(/:1$/, '') === path && error.exitCode === 2,
      text,
    );
  }
  writeFileSync(path, JSON.stringify(good));
  assert.equal(findManifest(path).folder, folder);
  assert.throws(() => findManifest(join(folder, 'gone')), {
    message: /is neither a manifest, nor a folder with one, nor an image/,
  });
});

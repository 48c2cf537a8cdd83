import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { setQuiet } from '../../sdk/lib/log.ts';
import { makeKeys } from '../keys/keys.ts';
import { findManifest } from '../product/manifest.ts';
import { flash } from './flash.ts';
import { keysInit, keysShow } from './keys.ts';
import { writeReport } from './report-file.ts';
import { readTreeDocument } from './tree-document.ts';

setQuiet(true);
const folder = mkdtempSync(join(tmpdir(), 'draisine-reports-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('a report that cannot be written is bad input and leaves no file behind', async () => {
  const path = join(folder, 'page.html');
  await writeReport(path, 'page');
  assert.equal(readFileSync(path, 'utf8'), 'page');
  const before = readdirSync(folder);
  for (const wrong of ['', folder, join(path, 'below'), '/proc/page.html']) {
    await assert.rejects(writeReport(wrong, 'x'), {
      name: 'Failure',
      exitCode: 2,
      message: /^cannot write: /,
    });
  }
  assert.deepEqual(readdirSync(folder), before);
});

test('a tree document that is damaged names the entry', () => {
  const dir = { path: 'usr', type: 'dir', mode: 0o755, uid: 0, gid: 0, origin: 'deb:a' };
  const content = { inline: '', encoding: 'utf8', size: 0, sha256: '' };
  const read = (document: unknown) => {
    writeFileSync(join(folder, 'tree.json'), JSON.stringify(document));
    return readTreeDocument(folder);
  };
  const good = [dir, { ...dir, type: 'symlink', target: 'x' }, { ...dir, type: 'file', content }];
  assert.equal(read({ entries: good })?.entries.length, 3);
  const odd: unknown[] = [null, 3, {}, { path: 3 }, { ...dir, type: 'fifo' }, { ...dir, type: 'file' }];
  const blob = { blob: 'a'.repeat(64), offset: 0, size: 0, sha256: '' };
  assert.ok(read({ entries: [{ ...dir, type: 'file', content: blob }] }));
  const contents = [
    { ...blob, blob: '../../victim.txt' },
    { ...blob, blob: 'A'.repeat(64) },
    { ...blob, offset: -1 },
    { ...blob, offset: '0' },
    { ...blob, size: 1.5 },
    { ...content, encoding: 'hex' },
    { ...content, inline: 3 },
  ].map((each) => ({ ...dir, type: 'file', content: each }));
  for (const entry of [...odd, ...contents, { ...dir, type: 'symlink' }, { ...dir, mode: '755' }]) {
    assert.throws(() => read({ entries: [dir, entry] }), {
      exitCode: 2,
      message: /\$\.entries\[1\]/,
    });
  }
  assert.throws(() => read({ entries: [], trims: [{}] }), {
    exitCode: 2,
    message: /\$\.trims\[0\] must have/,
  });
});

test('neither an empty name nor a path below a file is an image', () => {
  assert.throws(() => findManifest(join(folder, 'page.html/below')), {
    exitCode: 2,
    message: /is neither a manifest/,
  });
  assert.throws(() => findManifest(''), { exitCode: 2, message: /name of an image is empty/ });
});

/** Sets the folder of keys until the test ends. */
function keysIn(t: TestContext, keys: string): void {
  const before = process.env.DRAISINE_KEYS;
  t.after(() => {
    if (before === undefined) delete process.env.DRAISINE_KEYS;
    else process.env.DRAISINE_KEYS = before;
  });
  process.env.DRAISINE_KEYS = keys;
}

test('keys: a folder that cannot be used, or holds something else, is bad input', async (t) => {
  const file = join(folder, 'no-folder');
  writeFileSync(file, '');
  keysIn(t, file);
  const unusable = { name: 'Failure', exitCode: 2, message: /^cannot use the keys \(ENOTDIR\)/ };
  await assert.rejects(keysShow({}), unusable);
  await assert.rejects(makeKeys('/nonexistent', join(file, 'below/keys')), unusable);
  process.env.DRAISINE_KEYS = folder;
  writeFileSync(join(folder, 'modules.crt'), 'garbage');
  await assert.rejects(keysShow({}), { exitCode: 2, message: /not a certificate/ });
});

test('keys init: a plan that is refused leaves nothing behind', async (t) => {
  const keys = join(folder, 'new-keys');
  keysIn(t, keys);
  for (const wrong of [{ root: '4/3' }, { use: ['root=/nonexistent.pub'] }])
    await assert.rejects(keysInit({ root: '2/3', release: '1/1', ...wrong }), { exitCode: 2 });
  assert.equal(existsSync(keys) ? readdirSync(keys).join() : '', '');
});

test('flash: a target that is not a disk, and a source that is not an image, are refused before any build or write', async () => {
  const path = join(folder, 'medium');
  writeFileSync(path, 'old');
  await assert.rejects(flash('n100', path, { yes: true }), { exitCode: 2, message: /is a regular file/ });
  await assert.rejects(flash('n100', '/dev/null', { yes: true }), { exitCode: 2, message: /is not a disk/ });
  await assert.rejects(flash('n100', join(folder, 'none'), { yes: true }), {
    exitCode: 2,
    message: /there is no/,
  });
  await assert.rejects(flash('n10', path, { yes: true, file: true }), {
    exitCode: 2,
    message: /neither an image nor a file/,
    hint: /did you mean n100/,
  });
  assert.equal(readFileSync(path, 'utf8'), 'old');
});

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { canonicalJson, replaceFile, writeAtomic } from './files.ts';

describe('files', () => {
  const inFolder = (name: string, body: (dir: string) => Promise<void>) =>
    test(name, async (t) => {
      const dir = mkdtempSync(join(tmpdir(), 'draisine-files-'));
      t.after(() => rmSync(dir, { recursive: true }));
      await body(dir);
    });

  inFolder('the old file is there until the new file is complete', async (dir) => {
    const path = join(dir, 'file');
    writeFileSync(path, 'old');
    await replaceFile(path, 0o640, async (temporary) => {
      await writeFile(temporary, 'new');
      assert.equal(readFileSync(path, 'utf8'), 'old');
    });
    assert.equal(readFileSync(path, 'utf8'), 'new');
    assert.deepEqual(readdirSync(dir), ['file']);
  });

  inFolder('a failure in the middle leaves the old file, and no other file', async (dir) => {
    const path = join(dir, 'file');
    writeFileSync(path, 'old');
    await assert.rejects(
      replaceFile(path, 0o640, async (temporary) => {
        await writeFile(temporary, 'half');
        throw new Error('disk full');
      }),
      /disk full/,
    );
    assert.equal(readFileSync(path, 'utf8'), 'old');
    assert.deepEqual(readdirSync(dir), ['file']);
  });

  inFolder('the mode does not depend on the umask; missing folders above the file are made', async (dir) => {
    const before = process.umask(0o077);
    try {
      await writeAtomic(join(dir, 'a/b/file'), 'x', 0o664);
    } finally {
      process.umask(before);
    }
    assert.equal(statSync(join(dir, 'a/b/file')).mode & 0o777, 0o664);
  });

  test('equal values give equal JSON', () => {
    const text = '{"a":[{"x":1,"y":2}],"b":null}';
    assert.equal(canonicalJson({ b: null, a: [{ y: 2, x: 1 }] }), text);
  });
});

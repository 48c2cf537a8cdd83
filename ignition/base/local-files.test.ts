import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readLocal } from './local-files.ts';

test('a file may have a name that begins with two dots; a path out of the folder is refused', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'draisine-local-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, '..data'), 'inside');
  assert.equal(readLocal(folder, '..data').toString(), 'inside');
  for (const name of ['../..data', '..', `../${folder.split('/').at(-1)}x/a`, '/etc/passwd'])
    assert.throws(() => readLocal(folder, name), /lies outside/, name);
});

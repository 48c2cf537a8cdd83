import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../graph/testing.ts';
import { findTool, sdkRun } from './sdk.ts';

test('a tool is a file of the tree; a script is run by its interpreter of the same tree', async (t) => {
  const root = await temporaryFolder(t);
  const bin = join(root, 'usr/bin');
  mkdirSync(join(bin, 'folder'), { recursive: true });
  writeFileSync(join(bin, 'binary'), '\x7fELF');
  writeFileSync(join(bin, 'python3'), '\x7fELF');
  writeFileSync(join(bin, 'script'), '#!/usr/bin/python3\nprint()\n');
  writeFileSync(join(bin, 'other'), '#! /usr/bin/env python3 -x\n');
  writeFileSync(join(bin, 'perlish'), '#!/usr/bin/perl\n');
  assert.equal(findTool(root, 'nothing', []), undefined);
  assert.equal(findTool(root, 'folder', []), undefined);
  assert.deepEqual(findTool(root, 'binary', ['-x'])?.args.slice(2), [join(bin, 'binary'), '-x']);
  for (const script of ['script', 'other']) {
    const command = findTool(root, script, ['-x']);
    assert.deepEqual(command?.args.slice(2), [join(bin, 'python3'), join(bin, script), '-x']);
    assert.equal(command?.env.PYTHONHOME, join(root, 'usr'));
    assert.equal(command?.env.PYTHONDONTWRITEBYTECODE, '1', 'the tree is the store’s');
  }
  assert.throws(() => findTool(root, 'perlish', []), {
    name: 'Failure',
    message: /the tool tree has no perl/,
  });
});

test('no path is a tool', async () => {
  for (const tool of ['', '.', '..', 'bin/bash', '/bin/bash']) {
    await assert.rejects(sdkRun(tool, []), { exitCode: 2, message: /is not the name of a tool/ });
  }
});

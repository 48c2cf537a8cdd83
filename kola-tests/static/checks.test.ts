import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { Failure } from '../../sdk/lib/errors.ts';
import { runCommand } from '../../sdk/tool.ts';
import { chosenChecks, shellScripts } from './checks.ts';

describe('the static checks', () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'static-test-'));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  };

  test('shell scripts are found by their first line and by their name, except in folders of others', async () => {
    put('a/run', '#!/bin/sh\n');
    put('a/generator', '#!/usr/bin/env bash\n');
    put('a/sourced.sh', 'x=1\n');
    put('a/program.py', '#!/usr/bin/python3\n');
    put('a/notes.txt', 'about #!/bin/sh\n');
    put('a/empty', '');
    put('node_modules/x/run', '#!/bin/sh\n');
    put('out/run', '#!/bin/sh\n');
    assert.deepEqual(await shellScripts(dir), ['a/generator', 'a/run', 'a/sourced.sh']);
  });

  test('a pattern chooses checks by a part of their name', () => {
    assert.deepEqual(
      chosenChecks(['shell', 'types']).map(({ name }) => name),
      ['types (tsc)', 'shell (shellcheck)'],
    );
    assert.deepEqual(chosenChecks(['zfs.mirror']), []);
  });

  test('each wrong import is named with its rule', async () => {
    cpSync(join(CHECKOUT, '.dependency-cruiser.mjs'), join(dir, '.dependency-cruiser.mjs'));
    put('sdk/up.ts', "import '../build/face.ts';\n");
    put('build/face.ts', "export type { A } from '../packages/a.ts';\n");
    put('packages/a.ts', "import type { B } from './b.ts';\nexport type A = B;\n");
    put('packages/b.ts', "import type { A } from './a.ts';\nexport type B = A;\n");
    put('kola-tests/t.ts', "import '../build/face.ts';\n");
    put('kola-tests/for.ts', "import '../build/for-kola.ts';\n");
    put('build/for-kola.ts', "await import('./nowhere.ts');\n");
    put('build/fs/usr.ts', "import type { D } from '../media/disk.ts';\nexport type U = D;\n");
    put('build/media/disk.ts', 'export type D = 1;\n');
    put('kola-tests/harness/qemu/low.ts', "import '../run/high.ts';\n");
    put('kola-tests/harness/qemu/low.test.ts', "import '../run/high.ts';\n");
    put('kola-tests/harness/run/high.ts', "import '../guest/mid.ts';\n");
    put('kola-tests/harness/guest/mid.ts', '');
    // A folder in a folder has a place of its own, and so have the files of a room.
    put('build/release/verify.ts', "import './channel/rules.ts';\n");
    put('build/release/channel/rules.ts', "import '../format/types.ts';\n");
    put('build/release/format/types.ts', '');
    put('ignition/base/step.ts', "import '../load.ts';\n");
    put('ignition/load.ts', "import './check/read.ts';\n");
    put('ignition/check/read.ts', '');
    put('packages/box/delta/slot.ts', "import '../trial/stage.ts';\n");
    put('packages/box/trial/stage.ts', '');
    const file = join(CHECKOUT, 'node_modules/.bin/depcruise');
    const args = ['--config', '.dependency-cruiser.mjs', '--output-type', 'err', '.'];
    const said = await runCommand({ file, args, env: process.env }, 'imports', { cwd: dir }).then(
      () => assert.fail('the wrong imports were passed over'),
      (error: unknown) => (error instanceof Failure ? error.message : String(error)),
    );
    assert.deepEqual(
      [...said.matchAll(/error (.*?): (\S+)/g)].map(([, rule, from]) => `${rule} ${from}`).sort(),
      [
        'folders-of-build build/fs/usr.ts',
        'folders-of-build build/release/verify.ts',
        'folders-of-ignition ignition/base/step.ts',
        'folders-of-kola-tests/harness kola-tests/harness/qemu/low.ts',
        'folders-of-packages/box packages/box/delta/slot.ts',
        'imports-of-build build/face.ts',
        'imports-of-kola-tests kola-tests/t.ts',
        'imports-of-sdk sdk/up.ts',
        'no-circle packages/a.ts',
        'not-found build/for-kola.ts',
      ],
    );
  });
});

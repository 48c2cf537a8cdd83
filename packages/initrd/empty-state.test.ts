import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

/* The script of the initrd, on a folder in the place of the state partition. */

const SCRIPT = fileURLToPath(new URL('../overlays/initrd/usr/lib/draisine/empty-state', import.meta.url));

function stateOf(t: TestContext, files: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'draisine-state-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const probe = join(folder, 'draisine/state');
  const put = (path: string, text = 'x') => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  };
  const program = (name: string, text: string) => {
    put(join(folder, 'bin', name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(folder, 'bin', name), 0o755);
  };
  for (const name of ['mount', 'umount', 'sync']) program(name, '');
  for (const file of files) put(probe + file);
  put(join(folder, 'ignition.json'), '{}');
  const script = readFileSync(SCRIPT, 'utf8').replaceAll('/run/', `${folder}/`);
  /** Runs the script as the next boot does. */
  const empty = (request = readFileSync(`${probe}/.draisine-reset`, 'utf8')) => {
    put(`${probe}/.draisine-reset`, request);
    put(join(folder, 'draisine/empty-state'), request);
    const env = { PATH: `${join(folder, 'bin')}:${process.env.PATH}` };
    return spawnSync('sh', { input: script, encoding: 'utf8', env });
  };
  const has = (path: string) => existsSync(probe + path);
  const read = (path: string) => readFileSync(probe + path, 'utf8');
  return { folder, program, empty, has, read, put: (path: string) => put(probe + path) };
}

test('empties all but the kept paths', (t) => {
  const state = stateOf(t, ['/var/lib/a b/x', '/var/lib/a', '/etc/ssh/key', '/.draisine-provisioned']);
  assert.equal(state.empty('keep /var/lib/a b\nkeep /etc/ssh\n').status, 0);
  assert.deepEqual(
    ['/var/lib/a b/x', '/etc/ssh/key', '/var/lib/a', '/.draisine-provisioned'].map(state.has),
    [true, true, false, false],
  );
});

test('a last line without a line feed is a path to keep as well', (t) => {
  const state = stateOf(t, ['/var/lib/mine', '/etc/ssh/key', '/var/lib/old']);
  assert.equal(state.empty('keep /etc/ssh\nkeep /var/lib/mine').status, 0);
  assert.deepEqual(['/etc/ssh/key', '/var/lib/mine', '/var/lib/old'].map(state.has), [true, true, false]);
  assert.equal(state.read('/.draisine-reset').trimEnd(), 'blank\nkeep /etc/ssh\nkeep /var/lib/mine');
});

test('kept paths survive any number of interrupted provisionings', (t) => {
  const state = stateOf(t, ['/var/lib/mine', '/var/lib/old']);
  state.empty('keep /var/lib/mine\n');
  for (let boot = 0; boot < 3; boot++) {
    assert.equal(state.read('/.draisine-reset'), 'blank\nkeep /var/lib/mine\n');
    state.put('/etc/half');
    assert.equal(state.empty().status, 0);
    assert.deepEqual(['/var/lib/mine', '/etc/half', '/var/lib/old'].map(state.has), [true, false, false]);
  }
});

test('an immutable mount point is removed too; an immutable mount point to keep is not changed', (t) => {
  const state = stateOf(t, ['/var/lib/mine']);
  for (const path of ['mnt/tank', 'var/lib/mine.d/tank'])
    mkdirSync(join(state.folder, 'draisine/state', path), { recursive: true });
  // No folder of a test can be immutable everywhere. This find(1) removes no folder `tank` until chattr(1) has run.
  state.program('chattr', `echo "$@" >>${state.folder}/chattr`);
  state.program(
    'find',
    `for word; do
  shift
  case "$word" in -delete) [ -e ${state.folder}/chattr ] || set -- "$@" ! -name tank ;; esac
  set -- "$@" "$word"
done
exec /usr/bin/find "$@"`,
  );
  assert.equal(state.empty('keep /var/lib/mine.d\n').status, 0);
  assert.deepEqual(['/mnt', '/var/lib/mine.d/tank', '/var/lib/mine'].map(state.has), [false, true, false]);
  assert.equal(
    readFileSync(join(state.folder, 'chattr'), 'utf8'),
    `-i ${state.folder}/draisine/state/mnt/tank\n`,
  );
});

test('without paths to keep, the request is removed with everything else', (t) => {
  for (const request of ['', 'blank\n']) {
    const state = stateOf(t, ['/var/lib/old']);
    assert.equal(state.empty(request).status, 0);
    assert.deepEqual(['/var/lib/old', '/.draisine-reset'].map(state.has), [false, false]);
  }
});

test('without a valid config, or with an invalid path to keep, nothing is emptied', (t) => {
  const state = stateOf(t, ['/var/lib/old']);
  for (const path of ['', 'x', '/', '/var/', '/var//x', '/a/../var', '/.', '/var/./x']) {
    const { status, stdout } = state.empty(`keep ${path}\n`);
    assert.deepEqual([status, state.has('/var/lib/old')], [1, true], stdout);
  }
  writeFileSync(join(state.folder, 'ignition.json'), '');
  assert.match(state.empty('').stdout, /no valid machine config: the state partition was not emptied/);
  assert.equal(state.has('/var/lib/old'), true);
});

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

/* The script that waits for the disks of a pool, with a systemctl that is made up. */

const SCRIPT = fileURLToPath(new URL('../overlays/system/usr/lib/draisine/pool-late', import.meta.url));

/**
 * Runs the script. Returns the calls of systemctl that start something.
 * @param start what `systemctl start UNIT` does; `$try` is its number, `$disks` the folder of the disks
 * @param meanwhile what happens while the script waits
 */
function late(t: TestContext, start: string, meanwhile = '', unit = 'zpool-tank.service'): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'draisine-pool-late-'));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'disk/by-id'), { recursive: true });
  const program = (name: string, script: string): void =>
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  program(
    'systemctl',
    `disks=${folder}/disk/by-id
case "$*" in
*RequiredBy*zpool-*) echo zfs-dataset-tank-a.service zfs-dataset-tank-b.service ;;
*RequiredBy*dataset-tank-a*) echo web.service ;;
*RequiredBy*) ;;
*WantedBy*snapshot*) echo timers.target ;;
*WantedBy*) echo multi-user.target ;;
*is-active*) [ -e ${folder}/active ] ;;
*) echo "$*" >>${folder}/calls
  try=$(grep -c '^start ' ${folder}/calls)
  case "$1" in start) ${start} ;; esac ;;
esac`,
  );
  program('udevadm', '');
  program('sleep', meanwhile === '' ? '' : `cd ${folder}; ${meanwhile}`);
  const script = readFileSync(SCRIPT, 'utf8').replaceAll('/dev/disk/', `${folder}/disk/`);
  const env = { PATH: `${folder}:/usr/bin:/bin` };
  const argv = ['-c', script, 'pool-late', unit];
  const ran = spawnSync('sh', argv, { encoding: 'utf8', env, timeout: 20_000 });
  assert.equal(ran.status, 0, ran.stderr || 'it still waits');
  return readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n');
}

const CONSOLE = '--no-block restart draisine-console.service';
const NEEDING = '--no-block start web.service zfs-dataset-tank-a.service zfs-dataset-tank-b.service';

test('a disk that came before the script began is not missed', (t) => {
  assert.deepEqual(late(t, 'exit 0'), ['start zpool-tank.service', NEEDING, CONSOLE]);
});

test('a disk that comes during a try leads to another try', (t) => {
  const calls = late(t, '[ "$try" = 2 ] || { : >"$disks/a"; exit 1; }');
  assert.deepEqual(calls, ['start zpool-tank.service', 'start zpool-tank.service', NEEDING, CONSOLE]);
});

test('after a person has imported the pool, the units that need it start', (t) => {
  const calls = late(t, '[ -e "$disks/../../active" ]', ': >active');
  assert.deepEqual(calls, ['start zpool-tank.service', 'start zpool-tank.service', NEEDING, CONSOLE]);
});

test('pools that no machine config declares are mounted as well', (t) => {
  const unit = 'draisine-zpool-import.service';
  assert.deepEqual(late(t, 'exit 0', '', unit).slice(0, 2), [`start ${unit}`, 'restart zfs-mount.service']);
  const text = readFileSync(SCRIPT.replace('draisine/pool-late', `systemd/system/${unit}`), 'utf8');
  assert.match(text, /^OnFailure=draisine-pool-late@%N\.service$/m);
  // ZFS leaves pools that are not there out of /etc/zfs/zpool.cache when it imports another one.
  assert.match(text, /^ExecStart=\S*zpool import -c \/run\/draisine\/zpool\.cache -aN$/m);
});

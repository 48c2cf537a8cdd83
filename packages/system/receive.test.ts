import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

/* The command that a receiving user is forced to, with a fake zfs that prints its arguments. */

const SCRIPT = fileURLToPath(new URL('../overlays/system/usr/lib/draisine/receive', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'draisine-receive-'));
after(() => rmSync(folder, { recursive: true }));
writeFileSync(
  join(folder, 'zfs'),
  `#!/bin/sh
[ "$*" = 'list -H -d 1 -t snapshot -o name -S createtxg tank/backup/nas' ] || { echo "zfs $*"; exit 0; }
for snapshot in auto-x replicate-a-3 replicate-a-2 by-hand replicate-a-1; do echo "tank/backup/nas@$snapshot"; done
`,
);
chmodSync(join(folder, 'zfs'), 0o755);
const script = readFileSync(SCRIPT, 'utf8').replace('PATH=/usr/sbin:', `PATH=${folder}:`);

function receive(asked: string | undefined, floor = '2') {
  const env = { ...process.env, ...(asked === undefined ? {} : { SSH_ORIGINAL_COMMAND: asked }) };
  const ran = spawnSync('sh', ['-s', 'tank/backup', floor], { input: script, encoding: 'utf8', env });
  return { code: ran.status, out: ran.stdout.trim(), err: ran.stderr };
}

test('the commands of a replication are run', () => {
  for (const asked of [
    'zfs get -Hp -o value receive_resume_token tank/backup/nas',
    'zfs list -Hp -d 1 -t snapshot -o name,guid,createtxg -s createtxg tank/backup/nas/a:b',
    'zfs receive -s -u tank/backup/nas',
    'zfs receive -A tank/backup/nas',
  ])
    assert.deepEqual(receive(asked), { code: 0, out: asked, err: '' });
});

test('no other command is run', () => {
  for (const asked of [
    undefined,
    '',
    'sh',
    'zfs',
    'zfs destroy tank/backup/nas',
    'zfs destroy -r tank/backup/nas@replicate-a-1',
    'zfs destroy tank/backup/nas@by-hand',
    'zfs destroy tank/other@replicate-a-1',
    'zfs destroy tank/backup/nas@by-hand@replicate-a-1',
    'zfs destroy tank/backup/nas@replicate-a-1,by-hand',
    'zfs destroy tank/backup/nas@replicate-a-1%replicate-a-3',
    'zfs receive -s -u tank/backup',
    'zfs receive -s -u tank/backup2/nas',
    'zfs receive -s -u -F tank/backup/nas',
    'zfs receive -s -u tank/other',
    'zfs receive -s -u tank/backup/nas tank/other',
    'zfs receive -A tank/other',
    'zfs receive -A tank/backup/nas@x',
    'zfs receive -s -u tank/backup/nas; sh',
    'zfs receive -s -u tank/backup/nas\nsh',
    'zfs receive -s -u $(sh)/tank/backup/nas',
    'zfs receive -s -u tank/backup/*',
    'zfs send tank/backup/nas@replicate-a-1',
    'zfs list -Hp -d 1 -t snapshot -o name,guid,createtxg -s createtxg -r tank/backup/nas',
    'zfs get -Hp -o value receive_resume_token tank/other',
  ]) {
    const { code, out, err } = receive(asked);
    assert.equal(code, 1, asked);
    assert.equal(out, '', asked);
    assert.match(err, /^not allowed here: /);
  }
});

test('at least FLOOR snapshots of a dataset are kept, whatever the sender asks for', () => {
  const destroy = (number: number, floor: string) =>
    receive(`zfs destroy tank/backup/nas@replicate-a-${number}`, floor).code;
  assert.deepEqual(
    [1, 2, 3].map((number) => destroy(number, '2')),
    [0, 1, 1],
  );
  assert.deepEqual(
    [1, 2, 3].map((number) => destroy(number, '1')),
    [0, 0, 1],
  );
  assert.equal(destroy(1, '7'), 1);
  const { err } = receive('zfs destroy tank/backup/nas@replicate-a-1', '7');
  assert.match(err, /^not allowed here: .*: at least 7 snapshots of a dataset stay$/m);
});

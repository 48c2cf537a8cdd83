import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

/* The script that loads keys of hand-made datasets, with a fake zfs. */

const SCRIPT = fileURLToPath(new URL('../overlays/system/usr/lib/draisine/load-keys', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'draisine-load-keys-'));
after(() => rmSync(folder, { recursive: true }));

test('keys from files are loaded, keys to be typed are reported, and the boot does not wait', () => {
  const datasets = [
    ['tank', '-', '-', 'none'],
    ['tank/open', 'tank/open', 'available', 'file:///etc/open'],
    ['tank/file', 'tank/file', 'unavailable', 'file:///etc/key of mine'],
    ['tank/file/below', 'tank/file', 'unavailable', 'none'],
    ['tank/gone', 'tank/gone', 'unavailable', 'file:///mnt/stick/key'],
    ['tank/a/typed', 'tank/a/typed', 'unavailable', 'prompt'],
    ['tank/a-typed', 'tank/a-typed', 'unavailable', 'prompt'],
    ['tank/my own', 'tank/my own', 'unavailable', 'prompt'],
    ['tank/web', 'tank/web', 'unavailable', 'https://keys.example/web'],
  ];
  writeFileSync(join(folder, 'list'), `${datasets.map((row) => row.join('\t')).join('\n')}\n`);
  writeFileSync(
    join(folder, 'zfs'),
    `#!/bin/sh
case "$1" in
list) cat ${folder}/list ;;
load-key) cat; echo "$2" >>${folder}/loaded; [ "$2" != tank/gone ] ;;
esac
`,
  );
  chmodSync(join(folder, 'zfs'), 0o755);
  const problems = join(folder, 'problems');
  const script = readFileSync(SCRIPT, 'utf8').replace('/run/draisine/problems', problems);
  const env = { ...process.env, PATH: `${folder}:${process.env.PATH}` };
  const ran = spawnSync('sh', ['-c', script], { encoding: 'utf8', env });
  assert.equal(ran.status, 0, ran.stderr);
  assert.equal(readFileSync(join(folder, 'loaded'), 'utf8'), 'tank/file\ntank/gone\n');
  assert.deepEqual(readdirSync(problems).sort(), [
    'key-tank+a+typed',
    'key-tank+a-typed',
    'key-tank+gone',
    'key-tank+my own',
    'key-tank+web',
  ]);
  assert.match(
    readFileSync(join(problems, 'key-tank+my own'), 'utf8'),
    /^dataset tank\/my own is locked .*: zfs load-key 'tank\/my own' && zfs mount -R 'tank\/my own'$/m,
  );
  assert.equal(
    readFileSync(join(problems, 'key-tank+a+typed'), 'utf8'),
    'dataset tank/a/typed is locked and waits for its key: zfs load-key tank/a/typed && zfs mount -R tank/a/typed\n',
  );
  assert.match(
    ran.stderr,
    /^<3>dataset tank\/gone is locked: its key file:\/\/\/mnt\/stick\/key cannot be read$/m,
  );
  assert.equal(existsSync(join(problems, 'key-tank+file')), false);
});

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

/* The wrapper of sgdisk, as Ignition calls it, on a machine that was booted from sda. */

const WRAPPER = fileURLToPath(new URL('../overlays/initrd/usr/bin/sgdisk', import.meta.url));

function machine(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'draisine-sgdisk-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const path of ['bin', 'dev/disk', 'run/boot-disk']) mkdirSync(join(folder, path), { recursive: true });
  writeFileSync(join(folder, 'run/boot-disk/9'), 'sda\n');
  for (const disk of ['sda', 'sdb']) {
    writeFileSync(join(folder, 'dev', disk), '');
    symlinkSync(join(folder, 'dev', disk), join(folder, 'dev/disk', disk));
  }
  const calls = join(folder, 'calls');
  for (const name of ['real', 'partx'])
    writeFileSync(join(folder, 'bin', name), `#!/bin/sh\necho ${name} "$@" >>${calls}\n`, { mode: 0o755 });
  const found = join(folder, 'found');
  writeFileSync(join(folder, 'bin/blkid'), `#!/bin/sh\n[ -e ${found} ] && cat ${found}\n`, { mode: 0o755 });
  const script = readFileSync(WRAPPER, 'utf8')
    .replaceAll('/sysusr/usr/sbin/sgdisk', join(folder, 'bin/real'))
    .replaceAll('/run/draisine', join(folder, 'run'))
    .replaceAll('/dev/', `${folder}/dev/`);
  const sgdisk = (...args: readonly string[]) => {
    rmSync(calls, { force: true });
    const words = args.map((word) => word.replace(/^DISK/, `${folder}/dev/disk/`));
    const env = { PATH: `${folder}/bin:/usr/bin:/bin` };
    const { status, stderr } = spawnSync('sh', ['-c', script, 'sgdisk', ...words], { encoding: 'utf8', env });
    const called = existsSync(calls)
      ? readFileSync(calls, 'utf8').replaceAll(`${folder}/dev/disk/`, 'DISK')
      : '';
    return { status, stderr: stderr.replaceAll(folder, ''), called };
  };
  /** `text`: what blkid(8) finds on the disk. */
  return { sgdisk, holds: (text: string) => writeFileSync(found, text) };
}

test('the disk that the machine was booted from keeps its table: Ignition would wipe it while the system runs from it', (t) => {
  const { sgdisk } = machine(t);
  for (const words of [['--zap-all'], ['--delete=1', '--new=1:0:+0'], ['--new=7:0:+0', '--delete=5']]) {
    const { status, stderr, called } = sgdisk(...words, 'DISKsda');
    assert.deepEqual([status, called], [1, ''], stderr);
    assert.match(stderr, /^\/dev\/sda is the boot disk: its table and its partitions 1 to 5 must stay\. /);
  }
  assert.equal(sgdisk('--zap-all', 'DISKsdb').called, 'real --zap-all DISKsdb\n');
});

test('own partitions of the boot disk, and questions, are passed on', (t) => {
  const { sgdisk } = machine(t);
  const own = ['--delete=7', '--delete=15', '--new=7:0:+0', 'DISKsda'];
  assert.equal(sgdisk(...own).called, `real ${own.join(' ')}\npartx --update DISKsda\n`);
  const question = ['--pretend', '--delete=1', '--info=1', 'DISKsda'];
  assert.equal(sgdisk(...question).called, `real ${question.join(' ')}\n`);
});

test('a disk that gets no partitions: Ignition asks without a device', (t) => {
  const { status, stderr, called } = machine(t).sgdisk('--pretend');
  assert.deepEqual([status, called], [0, 'real --pretend\n'], stderr);
});

test('a disk with data and without a table is refused, unless the config wipes it', (t) => {
  const { sgdisk, holds } = machine(t);
  const words = ['--new=1:0:+0', 'DISKsdb'];
  holds('DEVNAME=/dev/sdb\nUUID=x\nTYPE=crypto_LUKS\nUSAGE=crypto\n');
  const { status, stderr, called } = sgdisk(...words);
  assert.deepEqual([status, called], [1, ''], stderr);
  assert.match(stderr, /^\/dev\/sdb has no partition table, but data of its own: crypto_LUKS\. /);
  assert.equal(sgdisk('--pretend', ...words).status, 0);
  assert.equal(sgdisk('--zap-all', 'DISKsdb').status, 0);
  assert.equal(sgdisk(...words).status, 0, 'zapping the table leaves the data of some file systems');
  holds('DEVNAME=/dev/sdc\nPTUUID=x\nPTTYPE=gpt\n');
  assert.equal(sgdisk('--new=7:0:+0', 'DISKsda').status, 0);
});

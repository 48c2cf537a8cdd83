import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeBox } from '../io/fake.ts';
import { withMounted } from './mount.ts';

/** A box whose mount, umount and mountpoint know what is mounted where. */
function mounting(): { box: FakeBox; mounted: string[] } {
  const box = new FakeBox();
  const mounted: string[] = [];
  box.makeFolder('/run/draisine');
  box.makeFolder('/proc/470');
  box.symlink('470', '/proc/self');
  box.program('mount', (argv) => {
    mounted.push(argv.at(-1) ?? '');
    return '';
  });
  box.program('umount', ([, folder = '']) => {
    const at = mounted.lastIndexOf(folder);
    if (at < 0) return { code: 32, stderr: `${folder}: not mounted.` };
    mounted.splice(at, 1);
    return '';
  });
  box.program('mountpoint', (argv) => ({ code: mounted.includes(argv.at(-1) ?? '') ? 0 : 32 }));
  return { box, mounted };
}

test('two file systems are mounted at a time: the second leaves the first where it is', () => {
  const { box, mounted } = mounting();
  withMounted(box, '/dev/vda1', 'read', (medium) => {
    withMounted(box, '/dev/nvme0n1p1', 'write', (esp) => assert.deepEqual(mounted, [medium, esp]));
    assert.deepEqual(mounted, [medium]);
    withMounted(box, '/dev/vda1', 'read', () => assert.equal(mounted.length, 2));
    assert.deepEqual(mounted, [medium]);
  });
  assert.deepEqual(mounted, []);
});

test('mounts of a killed process are removed, also of one with this process’s number', () => {
  const { box, mounted } = mounting();
  for (const folder of ['/run/draisine/mounts/vda1.470', '/run/draisine/mounts/vda1.99']) {
    box.makeFolder(folder);
    mounted.push(folder);
  }
  withMounted(box, '/dev/vdb1', 'read', (folder) => assert.deepEqual(mounted, [folder]));
});

test('two processes remove the mount of a killed one: neither fails', () => {
  const { box, mounted } = mounting();
  const left = '/run/draisine/mounts/vda1.99';
  box.makeFolder(left);
  mounted.push(left);
  const umount = box.programs.get('umount')!;
  box.program('umount', (argv, options, self) => {
    if (argv[1] === left) mounted.splice(mounted.indexOf(left), 1); // the other one was faster
    return umount(argv, options, self);
  });
  withMounted(box, '/dev/vdb1', 'read', (folder) => assert.deepEqual(mounted, [folder]));
});

test('the disk is busy: reading waits as well', () => {
  const { box, mounted } = mounting();
  const mount = box.programs.get('mount')!;
  const until = box.now() + 3000;
  box.program('mount', (argv, options, self) =>
    box.now() < until
      ? { code: 32, stderr: 'already mounted or mount point busy.' }
      : mount(argv, options, self),
  );
  withMounted(box, '/dev/vda1', 'read', () => assert.equal(mounted.length, 1));
});

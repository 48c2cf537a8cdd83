import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dataUrl } from '../harness/guest/ignition.ts';
import type { Sabotage } from '../harness/run/sabotage.ts';

/** Faults that the checks after every test must notice, and machines that end during a test. */
const sabotages: readonly Sabotage[] = [
  {
    name: 'check.failed-unit',
    what: 'a unit has failed',
    tests: ['system.mounts'],
    because: /^after the test:\n.*failed unit: sabotage\.service/,
    guest:
      'systemd-run --quiet --unit=sabotage false; until systemctl is-failed --quiet sabotage; do sleep 0.1; done',
  },
  {
    name: 'check.kernel-warning',
    what: 'the kernel has warned',
    tests: ['system.mounts'],
    because: /^after the test:\n.*kernel: WARNING: CPU: 0/,
    guest: 'echo "<4>WARNING: CPU: 0 PID: 1 at mm/sabotage.c:1 sabotage+0x0/0x0" >/dev/kmsg',
  },
  {
    name: 'check.segfault',
    what: 'a program has crashed',
    tests: ['system.mounts'],
    because: /^after the test:\n.*kernel: .*segfault/,
    guest: "bash -c 'ulimit -s 256; f() { f; }; f'; test $? = 139",
  },
  {
    name: 'check.listener',
    what: 'the machine config opens a port',
    tests: ['net.listeners', 'system.mounts'],
    because: /listen(ing|er): .*:4444/,
    config: {
      units: [
        {
          name: 'sabotage.socket',
          enabled: true,
          contents: '[Socket]\nListenStream=4444\nAccept=yes\n\n[Install]\nWantedBy=sockets.target\n',
        },
        { name: 'sabotage@.service', contents: '[Service]\nExecStart=/usr/bin/cat\nStandardInput=socket\n' },
      ],
    },
  },
  {
    name: 'check.udp-listener',
    what: 'a program takes UDP packets from anywhere',
    tests: ['net.listeners'],
    because: /listening on UDP: .*:4445/s,
    guest: 'systemd-run --quiet --unit=sabotage --socket-property=ListenDatagram=4445 cat',
  },
  {
    name: 'check.zfs-error',
    what: 'a pool has lost a disk',
    tests: ['system.time'],
    because: /^after the test:\n.*zfs: .*DEGRADED/s,
    guest: `truncate --size=64M /var/tmp/one /var/tmp/two && zpool create sabotage mirror /var/tmp/one /var/tmp/two
      zpool offline sabotage /var/tmp/two`,
  },
  {
    name: 'guest.panics',
    what: 'the kernel panics in the middle of the test',
    tests: ['zfs.snapshot-rollback'],
    because: /kernel panicked: .*sysrq/i,
    during: async ({ box }, signal) => {
      await box?.waitForFile('/tank/data/file');
      if (!signal.aborted) await box?.execute('echo c >/proc/sysrq-trigger');
    },
  },
  {
    name: 'guest.resets',
    what: 'the machine resets in the middle of the test',
    tests: ['zfs.snapshot-rollback'],
    because: /the guest rebooted/,
    during: async ({ box }, signal) => {
      await box?.waitForFile('/tank/data/file');
      if (!signal.aborted) await box?.execute('echo b >/proc/sysrq-trigger');
    },
  },
  {
    name: 'qemu.killed',
    what: 'somebody kills QEMU',
    tests: ['zfs.snapshot-rollback'],
    because: /QEMU ended/,
    during: async ({ box }) => {
      if (!box) return;
      await box.waitForFile('/tank/data/file');
      process.kill(Number(await readFile(join(box.dir, 'qemu.pid'), 'utf8')), 'SIGKILL');
    },
  },
  {
    name: 'qemu.hangs',
    what: 'QEMU hangs',
    tests: ['zfs.snapshot-rollback'],
    because: /not done after/,
    limitFactor: 0.1,
    during: async ({ box }) => {
      if (!box) return;
      await box.waitForFile('/tank/data/file');
      process.kill(Number(await readFile(join(box.dir, 'qemu.pid'), 'utf8')), 'SIGSTOP');
    },
  },
  {
    name: 'ignition.broken-config',
    what: 'the machine config asks for a file that cannot be made',
    tests: ['system.mounts'],
    because: /Ignition failed|could not start/,
    config: { files: [{ path: '/usr/sabotage', contents: { source: dataUrl('x') } }] },
  },
];

export default sabotages;

import assert from 'node:assert/strict';
import { register } from '../harness/register.ts';

register({ name: 'boot.multi-user', tags: ['quick'] }, async (_t, { box }) => {
  await box.waitForUnit('multi-user.target');
  assert.equal(await box.succeed('systemctl is-system-running'), 'running');

  // dm-verity stands under /usr, and its target says V for verified (Documentation/admin-guide/device-mapper/verity.rst).
  const source = await box.succeed('findmnt --noheadings --output SOURCE,FSTYPE /usr');
  assert.match(source, /^\/dev\/mapper\/\S+\s+erofs$/);
  const status = await box.succeed('dmsetup status --target verity');
  assert.match(status, /verity V/);

  await box.fail('touch /usr/x');
  await box.fail('mount -o remount,rw /usr');
  assert.match(await box.succeed('findmnt --noheadings --output OPTIONS /usr'), /(^|,)ro(,|$)/);
});

register(
  {
    name: 'boot.second',
    config: {
      ignition: { version: '3.3.0' },
      storage: {
        files: [
          {
            path: '/etc/hostname',
            overwrite: true,
            mode: 0o644,
            contents: { source: 'data:,from-ignition' },
          },
          { path: '/etc/seen', mode: 0o600, contents: { source: 'data:,first' } },
        ],
      },
    },
    timeout: 240,
  },
  async (_t, { box }) => {
    assert.equal(await box.succeed('cat /proc/sys/kernel/hostname /etc/seen'), 'from-ignition\nfirst');
    const machineId = await box.succeed('cat /etc/machine-id');
    const hostKey = await box.succeed('ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub');
    await box.succeed('echo changed >/etc/seen; echo kept >/var/lib/kept');

    await box.reboot();

    assert.equal(await box.succeed('cat /etc/seen'), 'changed', 'Ignition ran a second time');
    assert.equal(await box.succeed('cat /var/lib/kept'), 'kept');
    assert.equal(await box.succeed('cat /proc/sys/kernel/hostname'), 'from-ignition');
    assert.equal(await box.succeed('cat /etc/machine-id'), machineId);
    assert.equal(await box.succeed('ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub'), hostKey);
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
    await box.fail('touch /usr/x');
  },
);

import assert from 'node:assert/strict';
import { CONFIG } from '../fixtures/provisioned.ts';
import { register } from '../harness/run/register.ts';

register(
  {
    name: 'boot.multi-user',
    what: 'The machine boots without a failed unit. Its /usr is verified and read-only.',
    tags: ['quick'],
  },
  async (_t, { box }) => {
    await box.waitForUnit('multi-user.target');
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');

    // dm-verity is below /usr, and its status is V for verified (Documentation/admin-guide/device-mapper/verity.rst).
    const source = await box.succeed('findmnt --noheadings --output SOURCE,FSTYPE /usr');
    assert.match(source, /^\/dev\/mapper\/\S+\s+erofs$/);
    const status = await box.succeed('dmsetup status --target verity');
    assert.match(status, /verity V/);

    await box.fail('touch /usr/x');
    await box.fail('mount -o remount,rw /usr');
    assert.match(await box.succeed('findmnt --noheadings --output OPTIONS /usr'), /(^|,)ro(,|$)/);

    // The serial console shows the machine's address and the fingerprint of its host key.
    const [, key = ''] =
      /(SHA256:\S+)/.exec(await box.succeed('ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub')) ?? [];
    await box.retry(async () => {
      const said = await box.consoleText();
      assert.match(said, / {2}\S+ {2}10\.0\.2\.15 {2}/);
      assert.ok(said.includes(`SSH host key  ${key} (ED25519)`), key);
    });
  },
);

register(
  {
    name: 'boot.second',
    what: 'After the first boot the machine keeps its identity, its files and its pools, and is not provisioned again.',
    machines: {
      box: {
        disks: [
          { name: 'own', size: 128 },
          { name: 'away', size: 128 },
        ],
      },
    },
    config: CONFIG,
    timeout: 240,
  },
  async (_t, { box }) => {
    assert.equal(await box.succeed('cat /proc/sys/kernel/hostname /etc/secret'), 'provisioned\na secret');
    const machineId = await box.succeed('cat /etc/machine-id');
    const hostKey = await box.succeed('ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub');
    await box.succeed(
      'echo changed >/etc/secret; echo kept >/var/lib/kept; chown core /srv; chmod 2770 /srv; chmod 711 /home; echo the last words of this boot | systemd-cat --identifier=before',
    );

    // A machine with users of its own has its own /etc/passwd and /etc/group. A system account that a new release brings
    // is missing there. This test imitates that.
    await box.succeed('sed -i /^systemd-timesync:/d /etc/passwd /etc/group /etc/shadow /etc/gshadow');

    // An exported pool is not imported at boot. A pool that the machine itself uses is.
    await box.succeed(`
      zpool create away ${box.disk('away')} && echo kept >/away/file && zpool export away
      zpool create own ${box.disk('own')} && zfs create own/data && echo kept >/own/data/file`);

    // By the power button, as most owners switch such a box off.
    await box.powerButton();
    await box.start();

    assert.equal(await box.succeed('cat /etc/secret'), 'changed', 'Ignition ran a second time');
    assert.equal(await box.succeed('cat /var/lib/kept'), 'kept');
    assert.equal(await box.succeed("stat -c '%a %U' /srv /home"), '2770 core\n711 root');
    assert.equal(await box.succeed('cat /proc/sys/kernel/hostname'), 'provisioned');
    assert.equal(await box.succeed('cat /etc/machine-id'), machineId);
    assert.equal(await box.succeed('ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub'), hostKey);
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
    assert.equal(
      await box.succeed('id systemd-timesync'),
      'uid=987(systemd-timesync) gid=987(systemd-timesync) groups=987(systemd-timesync)',
    );
    assert.match(await box.succeed('id core'), /^uid=1000\(core\)/);
    await box.fail('touch /usr/x');
    // The shutdown was orderly: the journal has its last lines, and the file system was unmounted.
    assert.equal(
      await box.succeed('journalctl --boot=-1 --output=cat --identifier=before'),
      'the last words of this boot',
    );
    assert.match(
      await box.succeed('journalctl --boot=-1 --output=cat --lines=20'),
      /Journal stopped|power-off/i,
    );
    const mounts = await box.succeed("journalctl --boot --dmesg --output=cat | grep -F 'EXT4-fs '");
    assert.match(mounts, /mounted filesystem/);
    assert.doesNotMatch(mounts, /recovery complete|orphan/);

    await box.waitForUnit('zfs.target');
    assert.equal(await box.succeed('zpool list -H -o health own'), 'ONLINE');
    await box.fail('zpool list away');
    assert.equal(await box.succeed('cat /own/data/file'), 'kept');
    assert.match(await box.succeed('cat /sys/module/zfs/parameters/zfs_arc_max'), /^[1-9]\d+$/);
    await box.succeed('zpool import away && grep -qx kept /away/file');
  },
);

// The power fails during writes to the state partition and to a pool.
register(
  {
    name: 'boot.power-cut',
    what: 'A power cut during writes loses nothing that was synchronized, on the state partition and in a pool.',
    machines: {
      box: {
        firmware: 'none',
        disks: [
          { name: 'left', size: 256 },
          { name: 'right', size: 256 },
        ],
      },
    },
    timeout: 240,
  },
  async (t, { box }) => {
    await box.succeed(`
      zpool create tank mirror ${box.disk('left')} ${box.disk('right')} && zfs create tank/data
      for dir in /var/lib /tank/data; do echo 'what was synced stays' >$dir/before && sync $dir/before; done
      systemd-run --quiet sh -c 'while :; do head -c 1M /dev/urandom >/var/lib/busy; mv /var/lib/busy /var/lib/done; done'
      systemd-run --quiet sh -c 'while :; do head -c 300K /dev/urandom >/tank/data/busy && sync /tank/data/busy; done'
      : >/etc/ssh/ssh_host_ed25519_key # a power cut leaves an empty file if the data was not synchronized`);
    t.diagnostic(`power cut after ${await box.crashWithin(4)} ms`);
    await box.start();
    assert.equal(await box.succeed('cat /var/lib/before'), 'what was synced stays');
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
    assert.match(await box.succeed('dmsetup status usr'), /verity V/);
    assert.match(await box.succeed('ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub'), /^256 SHA256:/);

    // The machine imports its own pool at boot, without force.
    await box.waitForUnit('zfs.target');
    assert.equal(await box.succeed('zpool list -H -o health tank'), 'ONLINE');
    assert.equal(await box.succeed('cat /tank/data/before'), 'what was synced stays');
    await box.succeed('zpool scrub -w tank');
    assert.match(await box.succeed('zpool status tank'), /errors: No known data errors/);
  },
);

// The state partition is emptied by `draisine reset` only.
register(
  {
    name: 'boot.reset',
    what: 'A reset (`draisine reset`) empties the state partition except for the paths to keep, and only if there is a machine config.',
    machines: { box: { firmware: 'none' } },
    timeout: 360,
  },
  async (_t, { box }) => {
    const machineId = await box.succeed('echo kept >/var/lib/kept && cat /etc/machine-id');
    // Without the stick there is no config, so after a reset nobody could log in.
    await box.succeed('touch /.draisine-reset && sync');
    await box.crash();
    await box.configure(undefined);
    await box.start();
    await box.waitForConsole(/a reset was requested, but there is no machine config: nothing was erased/);
    assert.equal(await box.succeed('cat /var/lib/kept /etc/machine-id'), `kept\n${machineId}`);

    const hostKey = await box.succeed('cat /etc/ssh/ssh_host_ed25519_key.pub');
    await box.succeed('rm /.draisine-reset; mkdir /var/lib/volumes && echo mine >/var/lib/volumes/file');
    await box.succeed('mkdir /mnt/tank && chattr +i /mnt/tank'); // as the empty mount point of a dataset
    const refused = await box.execute('draisine reset --yes');
    assert.match(refused.stderr, /there is no machine config, and without one nobody could log in/);
    // The config of its first boot, put onto the ESP of its disk.
    await box.succeed(`mkdir -p /run/esp && mount /dev/disk/draisine/esp /run/esp
      cp /var/lib/draisine/config/provisioned.json /run/esp/ignition.ign && umount /run/esp`);
    const keep = '--keep /etc/ssh --keep /var/lib/volumes/';
    const unsure = await box.execute(`echo other | draisine reset ${keep}`);
    assert.match(
      unsure.stdout,
      /will be provisioned again with: ignition\.ign on \/dev\/disk\/draisine\/esp\n/,
    );
    assert.match(unsure.stderr, /not confirmed, nothing was changed/);
    await box.fail('test -e /.draisine-reset');
    await box.succeed(`systemd-run --quiet draisine reset ${keep} --yes`);
    await box.goesDown('reboot');
    await box.start();
    await box.fail('test -e /var/lib/kept -o -e /mnt/tank');
    assert.equal(
      await box.succeed('cat /var/lib/volumes/file /etc/ssh/ssh_host_ed25519_key.pub'),
      `mine\n${hostKey}`,
    );
    assert.notEqual(await box.succeed('cat /etc/machine-id'), machineId);
    assert.equal(
      await box.succeed('ls -A / | grep draisine; systemctl is-system-running'),
      '.draisine-provisioned\n.draisine-used\nrunning',
    );

    await box.succeed('echo kept >/var/lib/kept; rm /.draisine-provisioned; sync');
    await box.crash();
    assert.match(
      await box.bootFails(),
      /the state partition has been in use, but its mark, \.draisine-provisioned, is gone; it was not touched[\s\S]*The machine restarts in ten minutes, unless you press Enter/,
    );
  },
);

import assert from 'node:assert/strict';
import { ignitionVerb } from '../harness/guest/draisine.ts';
import { editEntry } from '../harness/machine/boot-menu.ts';
import { fixture } from '../harness/machine/provision.ts';
import { register } from '../harness/run/register.ts';

/* Boots of a machine whose disks, key or firmware have changed. */

register(
  {
    name: 'zfs.late-and-foreign',
    what: 'A pool whose disk appears late is imported by itself. For a pool that another machine used, the box shows the command that imports it.',
    long: 'waits for a missing disk for the whole time limit of a boot, and boots three times',
    machines: { box: { start: 'off', firmware: 'none', disks: [{ name: 'late', size: 256 }] } },
    timeout: 600,
  },
  async (_t, { box }) => {
    await box.firstBoot(await ignitionVerb('compile', fixture('machines/late-pool.ts')));
    await box.waitForUnit('on-data.service', { seconds: 90 });
    await box.succeed('echo kept >/mnt/tank/data/file');
    await box.poweroff();

    await box.unplug('late');
    await box.start();
    const missing = /pool tank: disk \S*virtio-late is missing\. Nothing was made or changed/;
    await box.retry(async () => assert.match(await box.succeed('draisine health'), missing), {
      seconds: 120,
    });
    const said = await box.succeed(
      'cat /run/draisine/problems/*; journalctl -b -u zpool-tank.service -o cat',
    );
    assert.doesNotMatch(said, /[Dd]estroy/, 'the words of zpool would end the pool');
    await box.fail('touch /mnt/tank/data/lost');
    await box.plug('late');
    await box.waitForUnit('on-data.service', { seconds: 120 });
    assert.equal(await box.succeed('cat /mnt/tank/data/file'), 'kept');
    await box.retry(async () => assert.doesNotMatch(await box.succeed('draisine health'), missing));

    // Imitates a pool that another machine used when the power failed: the label has the host id of that machine.
    await box.succeed(`
      systemctl stop on-data.service zfs-dataset-tank-data.service
      zpool export tank && echo 305419896 >/sys/module/spl/parameters/spl_hostid
      zpool import -d /dev/disk/by-id -N -o cachefile=none tank && zpool sync tank`);
    await box.crash();
    await box.start();
    const foreign =
      /pool tank: it was last used by another machine.*: (zpool import -f .* && systemctl restart zpool-tank\.service)/;
    const health = await box.retry(
      async () => {
        const text = await box.succeed('draisine health');
        assert.match(text, foreign);
        return text;
      },
      { seconds: 120 },
    );
    assert.match(await box.succeed('cat /run/draisine/console.issue'), foreign);
    await box.succeed('systemctl is-active multi-user.target ssh.service');
    // Runs the command that the box has shown. The services that need the pool start by themselves.
    await box.succeed(foreign.exec(health)?.[1] ?? 'false', { seconds: 60 });
    await box.waitForUnit('on-data.service', { seconds: 60 });
    assert.equal(await box.succeed('cat /mnt/tank/data/file'), 'kept');
  },
);

register(
  {
    name: 'zfs.hand-made-encryption',
    what: 'An encrypted dataset of a hand-made pool is mounted at boot if its key is a file. If its key must be typed, the boot does not wait, and the box names the dataset.',
    machines: { box: { firmware: 'none', disks: [{ name: 'disk', size: 256 }] } },
    timeout: 300,
  },
  async (_t, { box }) => {
    await box.succeed(`
      (umask 077; echo 'a key in a file' >/etc/zfs-file.key)
      zpool create -O mountpoint=/tank tank ${box.disk('disk')}
      zfs create -o encryption=on -o keyformat=passphrase -o keylocation=file:///etc/zfs-file.key tank/file
      echo 'a key to be typed' | zfs create -o encryption=on -o keyformat=passphrase tank/typed
      echo kept | tee /tank/file/x /tank/typed/x`);
    await box.reboot();
    assert.equal(await box.succeed('cat /tank/file/x'), 'kept');
    await box.fail('cat /tank/typed/x');
    const told =
      /dataset tank\/typed is locked and waits for its key: (zfs load-key tank\/typed && zfs mount -R tank\/typed)/;
    const health = await box.succeed('draisine health');
    assert.match(health, told);
    assert.match(await box.succeed('cat /run/draisine/console.issue'), told);
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
    await box.succeed(`echo 'a key to be typed' | { ${told.exec(health)?.[1]}; }`);
    assert.equal(await box.succeed('cat /tank/typed/x'), 'kept');
  },
);

register(
  {
    name: 'zfs.hand-made-late',
    what: 'A hand-made pool whose disk appears late is imported and mounted by itself, although ZFS has taken it out of its list of pools.',
    long: 'boots twice; zfs.late-and-foreign has a late pool of a machine config',
    machines: {
      box: {
        firmware: 'none',
        disks: [
          { name: 'here', size: 256 },
          { name: 'late', size: 256 },
        ],
      },
    },
    timeout: 300,
  },
  async (_t, { box }) => {
    await box.succeed(`
      zpool create -O mountpoint=/here here ${box.disk('here')}
      zpool create -O mountpoint=/late late ${box.disk('late')}
      echo kept | tee /here/x /late/x`);
    await box.poweroff();
    await box.unplug('late');
    await box.start();
    assert.equal(await box.succeed('cat /here/x'), 'kept');
    await box.fail('cat /late/x');
    await box.plug('late');
    await box.waitUntilSucceeds('grep -x kept /late/x');
    assert.equal(await box.succeed('zpool list -H -o name'), 'here\nlate');
    await box.retry(async () => assert.equal(await box.succeed('systemctl is-system-running'), 'running'));
  },
);

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHlUr1I5jzMZUt1I0+DwFJpWZkEDwwW50D8+xq71Tu0K new@example';

register(
  {
    name: 'system.lost-key',
    what: 'A person at the machine adds an SSH key from a stick by a word in the boot menu. Without that word a stick changes nothing.',
    long: 'boots through the firmware and its menu twice; the script has a unit test',
    machines: { box: { disks: [{ name: 'stick', size: 64 }] } },
    timeout: 480,
  },
  async (_t, { box }) => {
    await box.succeed(`
      mkfs.vfat -n IGNITION ${box.disk('stick')} >/dev/null && mount ${box.disk('stick')} /mnt
      echo '${KEY}' >/mnt/authorized_keys && umount /mnt`);
    const keys = async (): Promise<string> =>
      await box.succeed('cat /root/.ssh/authorized_keys 2>/dev/null || :');
    await box.reboot();
    assert.equal((await keys()).includes(KEY), false, 'a stick alone adds no key');
    await box.poweroff();
    await editEntry(box, 'draisine.add-key', /errors=remount-ro rw/);
    await box.ready();
    await box.waitForConsole(/root may log in with the key \d+ SHA256:/);
    assert.match(await keys(), /^ssh-ed25519 AAAA\S+ new@example$/m);
    assert.equal(await box.succeed("stat -c '%a %U' /root/.ssh/authorized_keys"), '600 root');
    const shadow = await box.succeed('cat /.draisine-provisioned');
    assert.notEqual(shadow, '', 'the machine was not provisioned again');
  },
);

register(
  {
    name: 'install.one-boot-entry',
    what: 'A second installation onto a disk uses the boot entry of the first one, or removes it if the partition table was wiped.',
    machines: { box: { disks: [{ name: 'target', size: 8192, bus: 'nvme' }] } },
    timeout: 500,
  },
  async (_t, { box }) => {
    const entries = async (): Promise<string[]> =>
      (
        await box.succeed(
          "for entry in /sys/firmware/efi/efivars/Boot[0-9A-F][0-9A-F][0-9A-F][0-9A-F]-*; do tr -d '\\0' <$entry | grep -aq Draisine && basename $entry; done; :",
        )
      )
        .split('\n')
        .filter((line) => line !== '');
    const install = `draisine-install --yes ${box.disk('target')} 2>&1`;
    await box.succeed(install, { seconds: 90 });
    const first = await entries();
    assert.equal(first.length, 1, first.join());
    await box.succeed(install, { seconds: 90 });
    assert.deepEqual(await entries(), first);

    // Without a table there is no UUID to use again. The entry without a partition is removed.
    const bootOrder = '/sys/firmware/efi/efivars/BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c';
    await box.succeed(`wipefs --all --force --quiet ${box.disk('target')} && udevadm settle`);
    assert.match(await box.succeed(install, { seconds: 90 }), /removed the boot entry Boot[0-9A-F]{4}: /);
    assert.equal((await entries()).length, 1);
    const order = await box.succeed(`od --address-radix=n --skip-bytes=4 --format=x2 ${bootOrder}`);
    const [now = ''] = await entries();
    assert.ok(order.toUpperCase().split(/\s+/).includes(now.slice(4, 8)), `${now} is not in ${order}`);
  },
);

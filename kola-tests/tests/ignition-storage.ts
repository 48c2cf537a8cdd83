import assert from 'node:assert/strict';
import { ignitionVerb } from '../harness/guest/draisine.ts';
import { fixture, provision } from '../harness/machine/provision.ts';
import { register } from '../harness/run/register.ts';

const compiled = (name: string) => ignitionVerb('compile', fixture(`machines/${name}`));
/** Mount point and type of each file system below /var, without var-tmp.mount of the image. */
const MOUNTED =
  "findmnt --list --noheadings --real --output TARGET,FSTYPE | grep '^/var/' | grep -v '^/var/tmp ' | sort | tr -s ' '";

// Partitions and every kind of file system, in Butane. A machine that is provisioned again uses the old partitions.
register(
  {
    name: 'ignition.filesystems',
    what: 'The config makes partitions and file systems, and a machine that is provisioned again keeps the data on them.',
    machines: {
      box: {
        start: 'off',
        firmware: 'none',
        disks: [{ name: 'data', size: 1536 }],
        kernelArguments: 'draisine.state=5G',
      },
    },
    timeout: 400,
  },
  async (_t, { box }) => {
    const config = await compiled('disks.bu');
    await box.firstBoot(config);

    const expected = '/var/foreign vfat\n/var/large xfs\n/var/mine ext4\n/var/plain ext4\n/var/tree btrfs';
    assert.equal(await box.succeed(MOUNTED), expected);
    assert.equal(
      await box.succeed(`lsblk --raw --noheadings --output PARTLABEL,SIZE ${box.disk('data')}`),
      ' 1.5G\nplain 128M\nlarge 400M\ntree 256M\nforeign 64M\npages 64M\nrest 623M',
    );
    assert.match(await box.succeed('swapon --show=NAME,SIZE --noheadings'), /^\/dev\/vd\w+ 64M$/);
    assert.equal(await box.succeed('cat /var/plain/from-ignition'), 'on its own file system');
    assert.equal(await box.succeed('stat -c %a /var/large/below'), '750');
    assert.match(await box.succeed('findmnt --noheadings --output OPTIONS /var/large'), /noatime/);
    assert.equal(await box.succeed('blkid -s LABEL -o value /dev/disk/by-partlabel/large'), 'large');
    await box.succeed(
      'for each in plain large mine tree foreign; do echo "kept on $each" >/var/$each/mine; done; sync',
    );
    assert.equal(await box.succeed('blockdev --getsize64 /dev/disk/draisine/state'), `${5 * 2 ** 30}`);
    const before = await box.succeed(`blkid -s UUID -o value ${box.disk('data')}-part*`);
    const table = `lsblk --raw --noheadings --output PARTN,PARTLABEL,PARTUUID /dev/disk/by-id/virtio-system`;
    const partitions = await box.succeed(table);
    assert.match(partitions, /^7 mine /m);

    // The table must match the config, or Ignition would stop. Only the first config asked to wipe it.
    const disks = (config.storage?.disks ?? []) as object[];
    const again = disks.map((disk) => ({ ...disk, wipeTable: false }));
    await provision(box, { ...config, storage: { ...config.storage, disks: again } });

    assert.equal(await box.succeed(MOUNTED), expected);
    assert.equal(
      await box.succeed('cat /var/{plain,large,mine,tree,foreign}/mine /var/plain/from-ignition'),
      'kept on plain\nkept on large\nkept on mine\nkept on tree\nkept on foreign\non its own file system',
    );
    assert.equal(await box.succeed(`blkid -s UUID -o value ${box.disk('data')}-part*`), before);
    assert.equal(await box.succeed(table), partitions);
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
  },
);

register(
  {
    name: 'ignition.raid-luks',
    what: 'A mirror and an encrypted disk of the config work after a reboot, and the loss of a disk is reported.',
    machines: {
      box: {
        start: 'off',
        firmware: 'none',
        disks: [
          { name: 'left', size: 128 },
          { name: 'right', size: 128 },
          { name: 'vault', size: 400 },
        ],
      },
    },
    timeout: 400,
  },
  async (_t, { box }) => {
    await box.firstBoot(await compiled('raid-luks.bu'));

    const look = async (): Promise<void> => {
      assert.equal(await box.succeed(MOUNTED), '/var/mirror ext4\n/var/vault xfs');
      assert.match(
        await box.succeed('mdadm --detail /dev/md/mirror'),
        /Raid Level : raid1\n[\s\S]*Active Devices : 2/,
      );
      assert.match(
        await box.succeed('cryptsetup status vault'),
        /is active and is in use\.\n[\s\S]*LUKS2\n[\s\S]*aes-xts/,
      );
      assert.equal(await box.succeed('cat /var/vault/secret'), 'behind the key');
    };
    await look();
    assert.match(await box.succeed("stat -c '%a %n' /etc/luks/*"), /^[46]00 /);
    await box.succeed('echo mirrored >/var/mirror/file && sync');
    assert.equal(
      await box
        .execute(`head -c 64M ${box.disk('vault')} | grep -c 'behind the key'`)
        .then(({ stdout }) => stdout),
      '0',
    );

    await box.reboot();

    await look();
    assert.equal(await box.succeed('cat /var/mirror/file'), 'mirrored');
    assert.equal(
      await box.succeed('systemctl is-active mdmonitor.service systemd-cryptsetup@vault.service'),
      'active\nactive',
    );

    // The monthly check has its timers, and all programs that it needs. Without --duration it does not wait for the end.
    await box.succeed('systemctl is-active mdcheck_start.timer mdcheck_continue.timer');
    await box.succeed('/usr/share/mdadm/mdcheck');
    await box.succeed("journalctl --sync && journalctl -b -o cat | grep 'mdcheck start checking /dev/md'");
    await box.waitUntilSucceeds('grep -x idle /sys/block/md*/md/sync_action');

    // One of the mirror's disks dies: the data stay, and the journal reports the loss.
    await box.succeed('mdadm --fail /dev/md/mirror $(readlink -f /dev/disk/by-id/virtio-left)');
    assert.equal(await box.succeed('cat /var/mirror/file'), 'mirrored');
    await box.retry(async () => {
      assert.match(await box.journal('mdmonitor.service'), /Fail \/dev\/md/);
    });
    assert.match(await box.succeed('draisine health'), /array md\d+ lacks 1 of its disks: mdadm --detail/);
  },
);

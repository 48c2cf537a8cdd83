import assert from 'node:assert/strict';
import { ignitionVerb } from '../harness/guest/draisine.ts';
import { busybox } from '../harness/machine/busybox.ts';
import { fixture } from '../harness/machine/provision.ts';
import { register } from '../harness/run/register.ts';

// From the typed config of a NAS, compiled as its owner would, over the real Ignition, to a container that reads a dataset.
register(
  {
    name: 'ignition.nas',
    what: 'The example of a NAS gives a pool, encrypted datasets, snapshots, a firewall and a container that waits for its key.',
    machines: {
      box: {
        start: 'off',
        firmware: 'none',
        disks: ['one', 'two', 'three'].map((name) => ({ name, size: 256 })),
      },
    },
    timeout: 480,
  },
  async (_t, { box }) => {
    await box.firstBoot(await ignitionVerb('compile', fixture('machines/nas.ts')));

    assert.equal(await box.succeed('hostname; date --date=@0 +%H'), 'nas\n01');
    await box.waitForUnit('zfs-dataset-tank-media.service');
    await box.waitForUnit('zfs-dataset-tank-private.service');
    assert.equal(await box.succeed('zpool list -H -o health tank'), 'ONLINE');
    assert.match(
      await box.succeed('zpool status tank'),
      /raidz1-0 .*\n.*virtio-one .*\n.*virtio-two .*\n.*virtio-three/,
    );
    assert.equal(
      await box.succeed('zfs get -H -o value recordsize,quota,encryption tank/media tank/private | paste -s'),
      '1M\tnone\toff\t128K\t100M\taes-256-gcm',
    );
    assert.equal(
      await box.succeed(
        "stat -c '%a %u:%g' /mnt/tank/media /mnt/tank/private /etc/draisine/keys/tank/private",
      ),
      '755 1500:1500\n700 1500:0\n400 0:0',
    );
    assert.match(await box.succeed('swapon --show=NAME,SIZE --noheadings'), /^\/dev\/zram0\s+64M$/);
    assert.match(
      await box.succeed('nft list ruleset'),
      /table inet draisine \{[\s\S]*policy drop;[\s\S]*tcp dport 22 accept/,
    );
    await box.succeed('systemctl start snapshot-tank-media-daily.service');
    assert.match(
      await box.succeed('zfs list -H -t snapshot -o name'),
      /^tank\/media@auto-daily-\d{8}T\d{6}Z$/,
    );

    // No registry can be reached here, so the container has waited for its image until now.
    await busybox.run(box);
    await box.waitForUnit('reader.service', { seconds: 120 });
    await box.retry(async () => {
      assert.match(await box.succeed('cat /mnt/tank/private/starts'), /^(started\n?)+$/);
    });
    await box.succeed(': >/mnt/tank/private/starts; sync');

    await box.reboot();

    // The pool is imported, the key loaded, and only then the container starts.
    await box.waitForUnit('reader.service', { seconds: 120 });
    assert.equal(await box.succeed('zfs get -H -o value keystatus,mounted tank/private'), 'available\nyes');
    await box.retry(async () => assert.equal(await box.succeed('cat /mnt/tank/private/starts'), 'started'));
    const at = async (unit: string, what: string): Promise<number> =>
      Number(await box.succeed(`systemctl show --value --property=${what}TimestampMonotonic ${unit}`));
    assert.ok((await at('zfs-dataset-tank-private', 'ActiveEnter')) < (await at('reader', 'InactiveExit')));
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
  },
);

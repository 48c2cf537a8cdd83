import assert from 'node:assert/strict';
import { register } from '../harness/run/register.ts';

const ONE_DISK = { box: { disks: [{ name: 'disk', size: 128 }] } };

register(
  {
    name: 'zfs.snapshot-rollback',
    what: 'A ZFS snapshot can be read, cloned and rolled back to.',
    machines: ONE_DISK,
  },
  async (_t, { box }) => {
    await box.succeed(`zpool create tank ${box.disk('disk')} && zfs create tank/data`);
    await box.succeed('echo one >/tank/data/file && zfs snapshot tank/data@one && echo two >/tank/data/file');
    assert.equal(await box.succeed('cat /tank/data/.zfs/snapshot/one/file'), 'one');
    await box.fail('touch /tank/data/.zfs/snapshot/one/x');
    await box.succeed('zfs clone tank/data@one tank/clone && echo three >>/tank/clone/file');
    assert.equal(await box.succeed('cat /tank/data/file /tank/clone/file'), 'two\none\nthree');
    await box.fail('zfs destroy tank/data@one'); // The clone depends on it.
    await box.succeed('zfs rollback tank/data@one');
    assert.equal(await box.succeed('cat /tank/data/file'), 'one');
  },
);

register(
  {
    name: 'zfs.send-receive',
    what: 'A dataset and its later changes are copied by send and receive, and a damaged stream is refused.',
    machines: ONE_DISK,
  },
  async (_t, { box }) => {
    await box.succeed(`zpool create tank ${box.disk('disk')} && zfs create -o compression=zstd tank/from`);
    await box.succeed('head -c 4M /dev/urandom >/tank/from/blob && zfs snapshot tank/from@one');
    await box.succeed('zfs send --props tank/from@one | zfs receive -u tank/to');
    await box.succeed('echo more >/tank/from/more && rm /tank/from/blob && zfs snapshot tank/from@two');
    await box.succeed('zfs send -i @one tank/from@two | zfs receive tank/to && zfs mount tank/to');
    assert.equal(
      await box.succeed('ls /tank/to /tank/to/.zfs/snapshot/one'),
      '/tank/to:\nmore\n\n/tank/to/.zfs/snapshot/one:\nblob',
    );
    assert.equal(await box.succeed('zfs get -H -o value compression tank/to'), 'zstd');
    // `zfs receive` checks the checksum in the stream: it refuses a flipped byte and changes nothing.
    await box.succeed('zfs send tank/from@two >/var/tmp/stream');
    await box.succeed(
      'size=$(stat -c %s /var/tmp/stream) && printf X | dd of=/var/tmp/stream bs=1 seek=$((size / 2)) conv=notrunc status=none',
    );
    await box.fail('zfs receive tank/broken </var/tmp/stream');
    await box.fail('zfs list tank/broken');
  },
);

register(
  { name: 'zfs.encryption', what: 'An encrypted dataset is unreadable without its key.', machines: ONE_DISK },
  async (_t, { box }) => {
    await box.succeed(`
    zpool create tank ${box.disk('disk')}
    zfs create -o encryption=on -o keyformat=passphrase -o pbkdf2iters=100000 tank/secret <<<'correct horse'
    echo 'what nobody may read on the disk' >/tank/secret/file && zpool export tank`);
    await box.fail(`grep --quiet --text 'what nobody may read' ${box.disk('disk')}`);

    await box.succeed('zpool import tank');
    assert.equal(await box.succeed('zfs get -H -o value keystatus tank/secret'), 'unavailable');
    await box.fail('test -e /tank/secret/file');
    await box.fail("zfs load-key tank/secret <<<'wrong horse'");
    await box.succeed("zfs load-key tank/secret <<<'correct horse' && zfs mount tank/secret");
    assert.equal(await box.succeed('cat /tank/secret/file'), 'what nobody may read on the disk');
  },
);

register(
  { name: 'zfs.quota', what: 'A quota limits its own dataset and no other.', machines: ONE_DISK },
  async (_t, { box }) => {
    await box.succeed(
      `zpool create -O compression=off tank ${box.disk('disk')} && zfs create -o quota=8M tank/small && zfs create tank/other`,
    );
    // The writes are large, because each write near the quota waits for a transaction group.
    assert.match(
      await box.fail('dd if=/dev/zero of=/tank/small/blob bs=1M count=16 conv=fsync'),
      /Disk quota exceeded/,
    );
    await box.succeed('head -c 12M /dev/zero >/tank/other/blob');
    // A full dataset can be emptied again.
    await box.succeed('rm /tank/small/blob && zpool sync tank && echo fits >/tank/small/file');
  },
);

register(
  {
    name: 'zfs.zvol',
    what: 'A volume of a pool can hold a file system and can be rolled back.',
    machines: ONE_DISK,
  },
  async (_t, { box }) => {
    await box.succeed(`zpool create tank ${box.disk('disk')} && zfs create -V 16M tank/volume`);
    await box.waitForFile('/dev/zvol/tank/volume');
    await box.succeed(
      'mkfs.ext4 -q /dev/zvol/tank/volume && mount /dev/zvol/tank/volume /mnt && echo before >/mnt/file',
    );
    await box.succeed('sync && zfs snapshot tank/volume@before && echo after >/mnt/file && umount /mnt');
    await box.succeed('zfs rollback tank/volume@before && mount /dev/zvol/tank/volume /mnt');
    assert.equal(await box.succeed('cat /mnt/file'), 'before');
    await box.succeed('umount /mnt && zfs destroy -r tank/volume');
    await box.waitUntilSucceeds('! test -e /dev/zvol/tank/volume');
  },
);

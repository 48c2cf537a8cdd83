import assert from 'node:assert/strict';
import { join2 } from '../harness/machine/lan.ts';
import type { Machine } from '../harness/machine/machine.ts';
import { register } from '../harness/run/register.ts';

/* Pools over their lifetime: lost disks, moves to another machine, old features, idle disks. */

const disks = (size: number, ...names: string[]) => ({ disks: names.map((name) => ({ name, size })) });

register(
  {
    name: 'zfs.raidz2',
    what: 'A RAID-Z2 pool survives the loss of any two of its four disks.',
    machines: { box: disks(128, 'a', 'b', 'c', 'd') },
  },
  async (_t, { box }) => {
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => box.disk(name));
    await box.succeed(`zpool create tank raidz2 ${a} ${b} ${c} ${d} && head -c 8M /dev/urandom >/tank/blob`);
    const sum = await box.succeed('sha256sum </tank/blob');
    // Two of the four disks are enough.
    await box.succeed(
      `zpool offline tank ${a} && zpool offline tank ${c} && zpool export tank && zpool import tank`,
    );
    assert.equal(await box.succeed('zpool list -H -o health tank'), 'DEGRADED');
    assert.equal(await box.succeed('sha256sum </tank/blob'), sum);
    assert.match(await box.fail(`zpool offline tank ${b}`), /no valid replicas/);
    await box.succeed(`zpool online tank ${a} ${c} && zpool wait -t resilver tank`);
    await box.waitUntilSucceeds('zpool status -x tank | grep healthy');
  },
);

register(
  {
    name: 'zfs.moves',
    what: 'A pool moves to another machine. A pool that was not exported is refused until the import is forced.',
    machines: { old: disks(128, 'left', 'right', 'kept'), young: {} },
  },
  async (_t, { old, young }) => {
    await old.succeed(`
      zpool create tank mirror ${old.disk('left')} ${old.disk('right')}
      echo 'from the old machine' >/tank/file && zpool export tank`);
    await old.give('left', young);
    await old.give('right', young);
    const found = await young.succeed('zpool import');
    assert.match(found, /pool: tank[\s\S]*state: ONLINE/);
    assert.doesNotMatch(found, /-f/);
    await young.succeed('zpool import tank');
    assert.equal(await young.succeed('cat /tank/file'), 'from the old machine');

    // A shutdown does not export a pool: the old machine may start again and write to it.
    await old.succeed(`zpool create kept ${old.disk('kept')} && echo 'not handed back' >/kept/file`);
    await old.poweroff();
    await old.give('kept', young);
    assert.match(await young.succeed('zpool import'), /pool: kept[\s\S]*last accessed by another system/);
    const refused = await young.fail('zpool import kept');
    assert.match(refused, /cannot import 'kept': pool was previously in use from another system/);
    assert.match(refused, /zpool import -f/);
    await young.succeed('zpool import -f kept');
    assert.equal(await young.succeed('cat /kept/file'), 'not handed back');
  },
);

register(
  {
    name: 'zfs.old-features',
    what: 'A pool with old features stays as it is until the owner upgrades it.',
    machines: { box: disks(128, 'disk') },
  },
  async (_t, { box }) => {
    // -d: none of the features that came after pool version 28.
    await box.succeed(`zpool create -d tank ${box.disk('disk')} && echo old >/tank/file`);
    assert.equal(await box.succeed('zpool get -H -o value feature@async_destroy tank'), 'disabled');
    await box.succeed('zpool export tank && zpool import tank && zfs snapshot tank@before');
    // An import does not enable features that an older system could not read.
    assert.equal(await box.succeed('zpool get -H -o value feature@lz4_compress tank'), 'disabled');
    assert.match(await box.succeed('zpool status tank'), /features are not enabled/);

    await box.succeed('zpool upgrade tank && zpool export tank && zpool import tank');
    assert.equal(await box.succeed('cat /tank/file /tank/.zfs/snapshot/before/file'), 'old\nold');
    assert.match(await box.succeed('zpool get -H -o value feature@lz4_compress tank'), /enabled|active/);
  },
);

register(
  {
    name: 'zfs.idle',
    what: 'An idle pool does not wake its disks.',
    machines: { box: disks(128, 'disk') },
    timeout: 240,
    waits: true,
  },
  async (_t, { box }) => {
    // Nothing is written to an idle pool for two minutes, so a sleeping disk is not woken.
    await box.succeed(`zpool create tank ${box.disk('disk')} && echo x >/tank/file && zpool sync tank`);
    const written = `awk -v disk="$(basename "$(readlink -f ${box.disk('disk')})")" '$3 == disk {print $8, $10}' /proc/diskstats`;
    await box.succeed('sleep 12'); // two transaction groups (zfs_txg_timeout): earlier changes are on the disk
    const before = await box.succeed(written);
    assert.match(before, /^\d+ \d+$/);
    await box.succeed('sleep 120', { seconds: 180 });
    assert.equal(await box.succeed(written), before);
  },
);

register(
  {
    name: 'zfs.arc-gives-way',
    what: 'The cache of ZFS gives memory back to programs that need it.',
    machines: { box: disks(512, 'disk') },
  },
  async (_t, { box }) => {
    const arc = async (): Promise<number> =>
      Number(
        await box.succeed('awk \'$1 == "size" {print int($3 / 1048576)}\' /proc/spl/kstat/zfs/arcstats'),
      );
    await box.succeed(
      `zpool create -O compression=off tank ${box.disk('disk')} && head -c 200M /dev/urandom >/tank/blob && cat /tank/blob >/dev/null`,
    );
    const full = await arc();
    assert.ok(full >= 60, `the ARC holds ${full} MiB of a file that was read`);
    // A process that needs the memory gets it, and no process is killed (the checks after the test look for that too).
    assert.equal(await box.succeed('head -c 220M /dev/zero | tail -c 220M | wc -c'), String(220 << 20));
    const rest = await arc();
    assert.ok(rest < full, `the ARC keeps its ${full} MiB`);
  },
);

register(
  {
    name: 'zfs.send-to-machine',
    what: 'A dataset and its later changes are sent to another machine over SSH.',
    machines: {
      from: { ...disks(128, 'disk'), nics: [{ network: 'user' }, { network: 'lan' }] },
      to: { ...disks(128, 'disk'), nics: [{ network: 'user' }, { network: 'lan' }] },
    },
  },
  async (_t, { from, to }) => {
    await join2(from, to);
    for (const box of [from, to]) await box.succeed(`zpool create tank ${box.disk('disk')}`);
    await from.succeed(
      'zfs create tank/data && head -c 4M /dev/urandom >/tank/data/blob && zfs snapshot tank/data@one',
    );
    await trust(from, to);
    const ssh = 'ssh -o StrictHostKeyChecking=accept-new -o BatchMode=yes root@10.9.0.2';
    await from.succeed(`zfs send tank/data@one | ${ssh} zfs receive tank/copy`);
    await from.succeed(`echo more >/tank/data/more && zfs snapshot tank/data@two`);
    await from.succeed(`zfs send -i @one tank/data@two | ${ssh} zfs receive tank/copy`);
    const sums = 'cd "$0" && sha256sum blob more';
    assert.equal(
      await to.succeed(sums.replace('"$0"', '/tank/copy')),
      await from.succeed(sums.replace('"$0"', '/tank/data')),
    );
  },
);

/** Lets root of `from` log in to `to` with a key. */
async function trust(from: Machine, to: Machine): Promise<void> {
  const key = await from.succeed(
    'mkdir -p -m 700 /root/.ssh && ssh-keygen -q -t ed25519 -N "" -f /root/.ssh/id_ed25519 && cat /root/.ssh/id_ed25519.pub',
  );
  await to.succeed('mkdir -p -m 700 /root/.ssh');
  await to.copyTo(Buffer.from(`${key}\n`), '/root/.ssh/authorized_keys', { mode: 0o600 });
}

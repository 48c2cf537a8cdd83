import assert from 'node:assert/strict';
import { applied, type MachineConfig, nextConfig } from '../fixtures/applying.ts';
import { ignitionVerb } from '../harness/guest/draisine.ts';
import { join2 } from '../harness/machine/lan.ts';
import type { Machine } from '../harness/machine/machine.ts';
import { fixture } from '../harness/machine/provision.ts';
import { register } from '../harness/run/register.ts';

const UNIT = 'replicate-tank-data.service';
const BLOB = '/mnt/tank/data/blob';
/** The last words of a service may reach the journal after its end. */
const LOG = `journalctl --sync && journalctl -u ${UNIT} -o cat`;

/** Applies a typed config to a running machine, and confirms it. */
async function become(box: Machine, name: string): Promise<void> {
  const { storage, systemd, passwd } = (await ignitionVerb(
    'compile',
    fixture(`machines/${name}.ts`),
  )) as unknown as Partial<MachineConfig>;
  await nextConfig(box, (config) => {
    config.storage.files.push(...(storage?.files ?? []));
    config.systemd.units.push(...(systemd?.units ?? []));
    const users = [...(config.passwd?.users ?? []), ...(passwd?.users ?? [])];
    config.passwd = { ...config.passwd, users };
  });
  const { id, result, troubles } = await applied(box, '--within 600');
  assert.equal(result, 'waits for confirmation', `${box.name}: ${troubles.join('\n')}`);
  await box.succeed(`draisine apply --confirm ${id}`);
}

const machine = () => ({
  disks: [{ name: 'disk', size: 256 }],
  nics: [{ network: 'user' }, { network: 'lan' }],
});

register(
  {
    name: 'day2.replicate',
    what: 'A dataset is sent to another machine, first completely and then its changes. An interrupted transfer continues. The dataset can be restored.',
    long: 'two machines, each provisioned by an apply, and six transfers',
    machines: { nas: machine(), other: machine() },
    timeout: 400,
  },
  async (_t, { nas, other }) => {
    await join2(nas, other);
    await become(other, 'replicate-to');
    await become(nas, 'replicate-from');
    await nas.succeed(`head -c 24M /dev/urandom >${BLOB}`);

    // The target is full after half of the data.
    await other.succeed('zfs set quota=12M tank/backup');
    await nas.execute(`systemctl start ${UNIT}`);
    assert.equal(
      await nas.succeed(`systemctl show --value -p ActiveState ${UNIT}`),
      'failed',
      await nas.succeed(`${LOG} -n 20`),
    );
    assert.match(
      await nas.succeed('draisine health'),
      /tank\/data is not sent to 10\.9\.0\.2: .*the target is full/,
    );
    await other.succeed('zfs get -H -o value receive_resume_token tank/backup/data | grep ^1-');
    await other.succeed('zfs set quota=none tank/backup');
    await nas.succeed(`systemctl start ${UNIT}`);
    assert.match(await nas.succeed(LOG), /was interrupted, and continues where it stopped/);
    assert.doesNotMatch(await nas.succeed('draisine health'), /is not sent to/);

    // Changes are sent. The target keeps the number of snapshots that the config gives.
    for (const text of ['one', 'two']) {
      await nas.succeed(`echo ${text} >>/mnt/tank/data/log && systemctl start ${UNIT}`);
    }
    const snapshots = (await other.succeed('zfs list -H -t snapshot -o name -r tank/backup')).split('\n');
    assert.equal(snapshots.length, 2, snapshots.join('\n'));
    assert.equal(await nas.succeed('zfs list -H -t snapshot -o name -r tank | wc -l'), '1');
    // The test reads the data in a clone, because no mount point can be made below a read-only dataset.
    await other.succeed(`zfs clone -o readonly=on -o mountpoint=/run/look ${snapshots.at(-1)} tank/look`);
    const sum = await nas.succeed(`sha256sum <${BLOB}`);
    assert.equal(await other.succeed('sha256sum </run/look/blob; cat /run/look/log'), `${sum}\none\ntwo`);
    await other.succeed('zfs destroy tank/look');
    assert.equal(await other.succeed('zfs get -H -o value readonly tank/backup/data'), 'on');

    // With this key, all other commands are refused.
    const ssh =
      'ssh -o BatchMode=yes -o UserKnownHostsFile=/etc/draisine/replicate/tank-data.known_hosts -o HostKeyAlias=tank-data';
    for (const command of ['', 'zfs destroy -r tank/backup/data', `zfs destroy ${snapshots[0]}`]) {
      const tried = await nas.execute(
        `${ssh} -i /etc/draisine/replicate/tank-data.key backup@10.9.0.2 '${command}'`,
      );
      assert.match(tried.stderr, /not allowed here/, command);
    }

    // The dataset is restored, by the steps of docs/day2.md. After that, replication continues.
    const key = await nas.succeed('ssh-keygen -q -t ed25519 -N "" -f /run/key && cat /run/key.pub');
    await other.succeed('mkdir -p -m 700 /root/.ssh');
    await other.copyTo(Buffer.from(`${key}\n`), '/root/.ssh/authorized_keys', { mode: 0o600 });
    await nas.succeed('zfs rename tank/data tank/lost');
    await nas.succeed(
      `set -o pipefail; ${ssh} -i /run/key root@10.9.0.2 zfs send ${snapshots.at(-1)} | zfs receive -u tank/data`,
    );
    await nas.succeed(`systemctl restart zfs-dataset-tank-data.service && systemctl start ${UNIT}`);
    assert.equal(await nas.succeed(`sha256sum <${BLOB}; cat /mnt/tank/data/log`), `${sum}\none\ntwo`);
    assert.match(await nas.succeed(`${LOG} -t draisine -n 2`), /tank\/data(@\S+)? is at 10\.9\.0\.2/);
  },
);

import { DATASET, REPLICATION, REPLICATIONS, replicationOf } from '../../packages/box/settings/replicate.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import type { Secret } from '../base/secret.ts';
import { calendarEvent } from './calendar.ts';
import { datasetService } from './dataset.ts';
import { file } from './file.ts';
import { type Fragment, matching, mergeFragments } from './fragment.ts';
import { settings } from './settings.ts';
import { unit } from './unit.ts';
import { poolService } from './zpool.ts';

/** A dataset that is sent to another machine, without its child datasets. */
export interface ReplicateOptions<Dataset extends string = string> {
  readonly dataset: Dataset;
  /** `backup@host:tank/backup/nas`: user, machine, and the dataset there. The first run makes the dataset. */
  readonly to: string;
  /** Port of SSH; default 22. */
  readonly port?: number;
  /** The host key of the target: the line of its `ssh_host_ed25519_key.pub`. No other key is accepted. */
  readonly hostKey: string;
  /** The private key with which this machine logs in at the target. */
  readonly key: Secret;
  /** systemd.time(7) calendar event; default `daily`. */
  readonly schedule?: string;
  /** Number of its snapshots that are kept at the target; default 30. */
  readonly keep?: number;
  /** Name for `draisine replicate NAME`; default: the dataset with `-` for `/`. */
  readonly name?: string;
}

const TO =
  /^(?<user>[a-z_][a-z0-9_-]{0,31})@(?:\[(?<v6>[0-9a-fA-F:]+)\]|(?<host>[A-Za-z0-9][A-Za-z0-9.-]*)):(?<target>[A-Za-z][A-Za-z0-9_.-]*(?:\/[A-Za-z0-9_.:-]+)+)$/;

/** The name of a replication, in its files and units. */
export const replicationName = ({ name, dataset }: ReplicateOptions): string =>
  name ?? dataset.replaceAll('/', '-');

/**
 * Sends a dataset to another machine by a timer (docs/day2.md). packages/box/replicate does the work on the
 * machine.
 */
export function replicate(options: ReplicateOptions): Fragment {
  const { dataset, to, port = 22, hostKey, key, schedule = 'daily', keep = 30 } = options;
  const name = matching(replicationName(options), REPLICATION, 'name of a replication', 'give it one: name');
  matching(
    hostKey,
    /^(ssh|ecdsa)-\S+ [A-Za-z0-9+/]+=*( [^\n\r]*)?$/,
    'host key',
    'paste the line of /etc/ssh/ssh_host_ed25519_key.pub of the target',
  );
  matching(to, TO, 'target', 'write user@host:pool/dataset');
  const { user, v6, host = v6, target } = TO.exec(to)?.groups ?? {};
  const folder = `${REPLICATIONS}/${name}`;
  const needed = dataset.includes('/') ? datasetService(dataset) : poolService(dataset);
  const [type, blob] = hostKey.split(' ');
  const description = `Send ${dataset} to ${host}`;
  return mergeFragments(
    settings(
      `${folder}.json`,
      { dataset, user, host, port, target, keep },
      `replicate.${name}`,
      replicationOf,
    ),
    file(`${folder}.known_hosts`, { contents: `${name} ${type} ${blob}\n` }),
    file(`${folder}.key`, { contents: key, mode: 0o600 }),
    unit(`replicate-${name}.service`, {
      contents: {
        Unit: {
          Description: description,
          Requires: needed,
          Wants: 'network-online.target',
          After: `${needed} network-online.target`,
        },
        Service: {
          Type: 'oneshot',
          ExecStart: `/usr/bin/draisine replicate ${name}`,
          // The owner's own run is going on, and sends the same.
          SuccessExitStatus: 75,
          Nice: 10,
          IOSchedulingClass: 'idle',
        },
      },
    }),
    unit(`replicate-${name}.timer`, {
      enabled: true,
      contents: {
        Unit: { Description: description },
        Timer: {
          OnCalendar: calendarEvent(schedule, `replicate.${name}.schedule`),
          Persistent: true,
          RandomizedDelaySec: '5min',
        },
        Install: { WantedBy: 'timers.target' },
      },
    }),
  );
}

/** Options for a user who may send datasets to this machine, below one dataset, and do nothing else. */
export interface Receive {
  readonly dataset: string;
  /** Number of snapshots of each dataset that are always kept, whatever the sender asks for; default 7. */
  readonly floor?: number;
}

/** The rights that the user needs (zfs-allow(8)). Nothing is mounted, because only root may mount. */
const PERMISSIONS = 'create,mount,receive,destroy';

/** The forced command of a receiving user. */
export function receiveCommand(name: string, { dataset, floor = 7 }: Receive): string {
  matching(dataset, DATASET, 'dataset name', 'write POOL/NAME');
  if (!Number.isInteger(floor) || floor < 1)
    throw badInput(`floor must be a whole number from 1 on, not ${floor}`, {
      where: `users.${name}.ssh.receive`,
    });
  return `/usr/lib/draisine/receive ${dataset} ${floor}`;
}

/**
 * Lets the user receive below the dataset. The dataset becomes read-only, because a local change below it
 * would stop the replication.
 */
export function receiver(name: string, { dataset }: Receive): Fragment {
  const script = `/etc/draisine/receivers/${name}.sh`;
  const needed = dataset.includes('/') ? datasetService(dataset) : poolService(dataset);
  return mergeFragments(
    file(script, {
      mode: 0o755,
      contents: `set -eu\nzfs set readonly=on ${dataset}\nzfs allow -u ${name} ${PERMISSIONS} ${dataset}\n`,
    }),
    unit(`zfs-receiver-${name}.service`, {
      enabled: true,
      contents: {
        Unit: { Description: `Let ${name} receive below ${dataset}`, Requires: needed, After: needed },
        Service: {
          Type: 'oneshot',
          RemainAfterExit: true,
          ExecStart: `/bin/sh ${script}`,
          ExecStop: `-/usr/sbin/zfs unallow -u ${name} ${dataset}`,
        },
        Install: { WantedBy: 'multi-user.target' },
      },
    }),
  );
}

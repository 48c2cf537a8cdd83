import {
  PERIODS,
  type Period,
  SCRUBS,
  scrubUnit,
  snapshotScript,
  snapshotUnit,
} from '../../packages/box/settings/storage.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { shellQuote } from '../../sdk/lib/shell.ts';
import { calendarEvent } from './calendar.ts';
import { datasetService } from './dataset.ts';
import { file } from './file.ts';
import { type Fragment, mergeFragments } from './fragment.ts';
import { unit } from './unit.ts';
import { poolService } from './zpool.ts';

/** How many snapshots of each period are kept. */
export interface SnapshotPolicy {
  /** How many snapshots of each period are kept. */
  readonly keep: { readonly [period in Period]?: number };
  /** Whether the snapshots include child datasets; default: false. */
  readonly recursive?: boolean;
}

const timer = (description: string, schedule: string): Parameters<typeof unit>[1] => ({
  enabled: true,
  contents: {
    Unit: { Description: description },
    Timer: { OnCalendar: schedule, Persistent: true, RandomizedDelaySec: '5min' },
    Install: { WantedBy: 'timers.target' },
  },
});

/**
 * A script that makes a snapshot, then removes its own older ones except for the newest `keep`. Snapshots are ordered
 * by transaction group (zfsprops(7), createtxg), because creation dates are wrong if the clock was ahead once. The
 * script makes the list of snapshots before it removes any. The new snapshot must be the newest of the list; otherwise
 * the list is wrong, and nothing is removed.
 */
function takeScript(dataset: string, period: Period, keep: number, recursive: boolean): string {
  const flag = recursive ? '-r ' : '';
  const prefix = `${dataset}@auto-${period}-`;
  return `set -eu
fail() { echo "<3>snapshots of ${dataset}: $*" >&2; exit 1; }
[ -e /run/systemd/timesync/synchronized ] ||
  echo '<4>the clock is not synchronised: the date in the name of this snapshot may be wrong'
new=${shellQuote(prefix)}"$(date -u +%Y%m%dT%H%M%SZ)"
zfs snapshot ${flag}"$new"
list=$(zfs list -H -t snapshot -d 1 -o name -S createtxg ${shellQuote(dataset)}) || fail 'they cannot be listed, none is removed'
ours=$(printf '%s\n' "$list" | grep -F ${shellQuote(prefix)})
[ "$(printf '%s\n' "$ours" | sed 1q)" = "$new" ] || fail "the newest is not $new, none is removed"
printf '%s\n' "$ours" | tail -n +${keep + 1} | while read -r snapshot; do
  zfs destroy ${flag}"$snapshot" || fail "$snapshot cannot be removed"
done
left=$(zfs list -H -t snapshot -d 1 -o name ${shellQuote(dataset)} | grep -cF ${shellQuote(prefix)}) || left=0
made=$(printf '%s\n' "$ours" | grep -c .)
[ "$left" -ge ${keep} ] || [ "$left" -ge "$made" ] || fail "$left are left, ${keep} should be: something else removes them"
`;
}

/** Snapshots of a dataset by timers. Old ones are removed, but only those that the timers made. */
export function snapshotPolicy(dataset: string, { keep, recursive = false }: SnapshotPolicy): Fragment {
  const parts = (Object.keys(PERIODS) as Period[]).flatMap((period) => {
    const count = keep[period];
    if (count !== undefined && !(Number.isInteger(count) && count >= 0 && count <= 100_000))
      throw badInput(`keep must be a whole number from 0 to 100000, not ${count}`, {
        where: `snapshots.${dataset}.keep.${period}`,
      });
    if (count === undefined || count < 1) return [];
    const name = snapshotUnit(dataset, period);
    const script = snapshotScript(dataset, period);
    const needed = dataset.includes('/') ? datasetService(dataset) : poolService(dataset);
    return [
      file(script, { contents: takeScript(dataset, period, count, recursive), mode: 0o755 }),
      unit(`${name}.service`, {
        contents: {
          Unit: { Description: `Snapshot of ${dataset}, ${period}`, Requires: needed, After: needed },
          Service: { Type: 'oneshot', ExecStart: `/bin/sh ${script}` },
        },
      }),
      unit(`${name}.timer`, timer(`Snapshot of ${dataset}, ${period}`, period)),
    ];
  });
  return mergeFragments(...parts);
}

/**
 * A script for a scrub. It waits for a scrub that runs already. Errors that were found make the unit fail, so
 * that the owner is told.
 */
function scrubScript(pool: string): string {
  return `set -eu
pool=${shellQuote(pool)}
if ! said=$(zpool scrub "$pool" 2>&1); then
  case "$said" in
  *'currently scrubbing'*) echo "a scrub of $pool is running already" ;;
  *'currently resilvering'*) echo "$pool is being resilvered, which reads all of it as well" && exec zpool wait -t resilver "$pool" ;;
  *) echo "<3>$said" >&2 && exit 1 ;;
  esac
fi
zpool wait -t scrub "$pool"
errors=$(zpool status -p "$pool" | sed -n 's/^ *scan: scrub .* with \\([0-9]*\\) errors.*/\\1/p')
[ "\${errors:-0}" = 0 ] || { echo "<3>the scrub of $pool found $errors errors that it could not repair: zpool status -v $pool" >&2; exit 1; }
`;
}

/**
 * Scrubs a pool: reads all of it, and repairs it where possible.
 * @param schedule systemd.time(7) calendar event, default monthly
 */
export function scrub(pool: string, { schedule = 'monthly' }: { readonly schedule?: string } = {}): Fragment {
  const name = scrubUnit(pool);
  const script = `${SCRUBS}/${pool}.sh`;
  return mergeFragments(
    file(script, { contents: scrubScript(pool), mode: 0o755 }),
    unit(`${name}.service`, {
      contents: {
        Unit: { Description: `Scrub of pool ${pool}`, Requires: poolService(pool), After: poolService(pool) },
        Service: {
          Type: 'oneshot',
          ExecStart: `/bin/sh ${script}`,
          // Stopping the unit is not a fault: the kernel goes on with the scrub. `zpool scrub -s` ends it.
          SuccessExitStatus: 'SIGTERM',
          IOSchedulingClass: 'idle',
        },
      },
    }),
    unit(`${name}.timer`, timer(`Scrub of pool ${pool}`, calendarEvent(schedule, `scrubs.${pool}.schedule`))),
  );
}

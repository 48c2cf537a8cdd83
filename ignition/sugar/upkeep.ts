import { shellQuote } from '../../sdk/lib/shell.ts';
import { datasetService } from './dataset.ts';
import { file } from './file.ts';
import { type Fragment, mergeFragments } from './fragment.ts';
import { unit } from './unit.ts';
import { unitEscape } from './unit-name.ts';
import { poolService } from './zpool.ts';

/** How often something is done. */
export type Period = 'hourly' | 'daily' | 'weekly' | 'monthly';

/** How many snapshots of each period are kept. */
export interface SnapshotPolicy {
  /** How many snapshots of each period are kept. */
  readonly keep: { readonly [period in Period]?: number };
  /** Also of the datasets below; default false. */
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
 * Makes a snapshot, then removes those of its own kind beyond the newest `keep`. The order is that of transaction groups
 * (zfsprops(7), createtxg): the creation date is wrong for ever once the clock was ahead. What is removed is settled
 * before anything is, and the snapshot just made has to be the newest: if it is not, the list cannot be trusted.
 */
function snapshotScript(dataset: string, period: Period, keep: number, recursive: boolean): string {
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

/** Snapshots of a dataset by timers, the oldest removed. Only its own snapshots are ever removed. */
export function snapshotPolicy(dataset: string, { keep, recursive = false }: SnapshotPolicy): Fragment {
  const parts = (['hourly', 'daily', 'weekly', 'monthly'] as const).flatMap((period) => {
    const count = keep[period];
    if (count === undefined || count < 1) return [];
    const name = `snapshot-${unitEscape(dataset)}-${period}`;
    const script = `/etc/draisine/snapshots/${dataset}.${period}.sh`;
    const needed = dataset.includes('/') ? datasetService(dataset) : poolService(dataset);
    return [
      file(script, { contents: snapshotScript(dataset, period, count, recursive), mode: 0o755 }),
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

/** One that runs already is waited for. Errors found are an error of the unit, so that somebody is told. */
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

/** Reads a pool through and repairs what it can. @param schedule systemd.time(7) calendar event, default monthly */
export function scrub(pool: string, { schedule = 'monthly' }: { readonly schedule?: string } = {}): Fragment {
  const name = `scrub-${unitEscape(pool)}`;
  const script = `/etc/draisine/scrubs/${pool}.sh`;
  return mergeFragments(
    file(script, { contents: scrubScript(pool), mode: 0o755 }),
    unit(`${name}.service`, {
      contents: {
        Unit: { Description: `Scrub of pool ${pool}`, Requires: poolService(pool), After: poolService(pool) },
        Service: {
          Type: 'oneshot',
          ExecStart: `/bin/sh ${script}`,
          // Whoever stops it has not found a fault: the kernel goes on reading, zpool scrub -s ends that.
          SuccessExitStatus: 'SIGTERM',
          IOSchedulingClass: 'idle',
        },
      },
    }),
    unit(`${name}.timer`, timer(`Scrub of pool ${pool}`, schedule)),
  );
}

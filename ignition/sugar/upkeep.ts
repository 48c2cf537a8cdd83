import { datasetService } from './dataset.ts';
import { file } from './file.ts';
import { type Fragment, mergeFragments } from './fragment.ts';
import { shellQuote } from './ini.ts';
import { unit } from './unit.ts';
import { unitEscape } from './unit-name.ts';
import { poolService } from './zpool.ts';

export type Period = 'hourly' | 'daily' | 'weekly' | 'monthly';

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

function snapshotScript(dataset: string, period: Period, keep: number, recursive: boolean): string {
  const flag = recursive ? '-r ' : '';
  const prefix = `${dataset}@auto-${period}-`;
  return `set -eu
zfs snapshot ${flag}${shellQuote(prefix)}"$(date -u +%Y%m%dT%H%M%SZ)"
zfs list -H -t snapshot -d 1 -o name -S creation ${shellQuote(dataset)} |
  grep -F ${shellQuote(prefix)} | tail -n +${keep + 1} |
  while read -r snapshot; do zfs destroy ${flag}"$snapshot"; done
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

/** Reads a pool through and repairs what it can. @param schedule systemd.time(7) calendar event, default monthly */
export function scrub(pool: string, { schedule = 'monthly' }: { readonly schedule?: string } = {}): Fragment {
  const name = `scrub-${unitEscape(pool)}`;
  return mergeFragments(
    unit(`${name}.service`, {
      contents: {
        Unit: { Description: `Scrub of pool ${pool}`, Requires: poolService(pool), After: poolService(pool) },
        Service: {
          Type: 'oneshot',
          ExecStart: `/usr/sbin/zpool scrub -w ${pool}`,
          IOSchedulingClass: 'idle',
        },
      },
    }),
    unit(`${name}.timer`, timer(`Scrub of pool ${pool}`, schedule)),
  );
}

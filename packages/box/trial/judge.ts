/** One look at a box during a trial. */
export interface Look {
  /** Seconds since the boot. */
  readonly uptime: number;
  /** The faults, as sentences. */
  readonly faults: readonly string[];
}

/** The verdict on a release on trial. */
export type Verdict = 'commit' | 'reject' | 'look again';

/**
 * Judges a trial by its looks; the last one is the newest. A release is committed after two good looks in a
 * row at or after `settle`, and rejected if there are faults at `deadline`. Both are in seconds since the
 * boot.
 */
export function judge(looks: readonly Look[], settle: number, deadline: number): Verdict {
  const [last, before] = [looks.at(-1), looks.at(-2)];
  if (!last) return 'look again';
  if (last.faults.length === 0) {
    const steady = before !== undefined && before.faults.length === 0;
    return steady && last.uptime >= settle ? 'commit' : 'look again';
  }
  return last.uptime >= deadline ? 'reject' : 'look again';
}

/** Faults that the previous release has as well. */
export function commonFaults(rejected: readonly string[], now: readonly string[]): string[] {
  // Numbers and states differ from boot to boot. The subject of a sentence comes first.
  const about = (fault: string) => fault.replace(/:.*$/, '').split(' ').slice(0, 2).join(' ');
  const present = new Set(now.map(about));
  return rejected.filter((fault) => present.has(about(fault)));
}

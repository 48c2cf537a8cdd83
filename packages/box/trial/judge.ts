/** One look at a box on trial. */
export interface Look {
  /** Seconds since the boot. */
  readonly uptime: number;
  /** What is not as it must be, in sentences. */
  readonly faults: readonly string[];
}

/** What to do with a release on trial. */
export type Verdict = 'commit' | 'reject' | 'look again';

/**
 * Judges a trial by its looks, the last one last. Nothing is committed before `settle`, nor after a single good look;
 * at `deadline` what still has faults is rejected. Both in seconds since the boot.
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

/** Faults that the release before has as well. */
export function commonFaults(rejected: readonly string[], now: readonly string[]): string[] {
  // Numbers and states differ from boot to boot; what a sentence is about comes first.
  const about = (fault: string) => fault.replace(/:.*$/, '').split(' ').slice(0, 2).join(' ');
  const present = new Set(now.map(about));
  return rejected.filter((fault) => present.has(about(fault)));
}

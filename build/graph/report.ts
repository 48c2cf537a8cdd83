import { log, type Progress, startProgress } from '../../sdk/lib/log.ts';

/**
 * Shows the progress of a build: bars on a terminal. In a log, lines such as `[12/140] n100:usr 3.2 s`, and
 * every minute the targets that run for longer than that.
 */
export interface Report {
  /** A target is settled without a run. */
  settled(): void;
  started(name: string, reasons: readonly string[]): void;
  progress(name: string, done: number, total: number, note?: string): void;
  finished(name: string, ms: number): void;
  failed(name: string): void;
  end(): void;
}

interface Running {
  readonly since: number;
  /** 0 to 1; undefined for a target that does not report it. */
  share?: number;
  bar?: Progress;
}

const REMINDER_MS = 60_000;

/** Shows a build of `total` targets. With `explain`, also the reason for each target that runs. */
export function makeReport(total: number, explain: boolean): Report {
  const terminal = process.stderr.isTTY === true;
  const running = new Map<string, Running>();
  let overall: Progress | undefined;
  let done = 0;
  const reminder = terminal
    ? undefined
    : setInterval(() => {
        for (const line of reminders(running, Date.now())) log(line);
      }, REMINDER_MS).unref();
  const settle = (name: string, line: string): void => {
    done++;
    if (!terminal) log(`[${String(done).padStart(String(total).length)}/${total}] ${line}`);
    running.get(name)?.bar?.done();
    running.delete(name);
    overall?.update(done, [...running.keys()].slice(0, 4).join(' '));
  };
  return {
    settled: () => {
      done++;
    },
    started: (name, reasons) => {
      if (explain) for (const reason of reasons) log(`${name}: ${reason}`);
      running.set(name, { since: Date.now() });
      if (!terminal) return;
      overall ??= startProgress('build', total);
      overall.update(done, name);
    },
    progress: (name, at, of, note) => {
      const target = running.get(name);
      if (!target) return;
      target.share = of > 0 ? Math.min(1, at / of) : 0;
      if (!terminal) return;
      // Bars show thousandths: the units of recipes differ, and a total may change while it runs.
      target.bar ??= startProgress(name, 1000);
      target.bar.update(Math.floor(1000 * target.share), note);
    },
    finished: (name, ms) => settle(name, `${name} ${formatSeconds(ms)}`),
    failed: (name) => settle(name, `${name} FAILED`),
    end: () => {
      clearInterval(reminder);
      for (const { bar } of running.values()) bar?.done();
      overall?.done();
    },
  };
}

/** A line for each target that has been running for longer than a minute. */
export function reminders(running: ReadonlyMap<string, Running>, now: number): string[] {
  return [...running]
    .filter(([, { since }]) => now - since >= REMINDER_MS)
    .map(([name, { since, share }]) => {
      const far = share === undefined ? '' : `, ${Math.floor(100 * share)}%`;
      return `still at ${name} after ${formatSeconds(now - since)}${far}`;
    });
}

/** `0.4 s`, `12 min 3 s`; `ms`: milliseconds. */
export function formatSeconds(ms: number): string {
  const tenths = Math.round(ms / 100);
  if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

import { log, type Progress, startProgress } from '../../sdk/lib/log.ts';

/** Shows how a build goes: bars on a terminal, `[12/140] n100:usr 3.2 s` in a log. */
export interface Report {
  /** A target is settled without running. */
  settled(): void;
  started(name: string, reasons: readonly string[]): void;
  progress(name: string, done: number, total: number, note?: string): void;
  finished(name: string, ms: number): void;
  failed(name: string): void;
  end(): void;
}

export function makeReport(total: number, explain: boolean): Report {
  const terminal = process.stderr.isTTY === true;
  const running = new Map<string, Progress>();
  let overall: Progress | undefined;
  let done = 0;
  const settle = (name: string, line: string): void => {
    done++;
    if (!terminal) log(`[${String(done).padStart(String(total).length)}/${total}] ${line}`);
    running.get(name)?.done();
    running.delete(name);
    overall?.update(done, [...running.keys()].slice(0, 4).join(' '));
  };
  return {
    settled: () => {
      done++;
    },
    started: (name, reasons) => {
      if (explain) for (const reason of reasons) log(`${name}: ${reason}`);
      if (!terminal) return;
      overall ??= startProgress('build', total);
      overall.update(done, name);
    },
    progress: (name, at, of, note) => {
      if (!terminal) return;
      // Bars show thousandths: the units of recipes differ, and a total may change while it runs.
      if (!running.has(name)) running.set(name, startProgress(name, 1000));
      running.get(name)?.update(of > 0 ? Math.min(1000, Math.floor((1000 * at) / of)) : 0, note);
    },
    finished: (name, ms) => settle(name, `${name} ${formatSeconds(ms)}`),
    failed: (name) => settle(name, `${name} FAILED`),
    end: () => {
      for (const bar of running.values()) bar.done();
      overall?.done();
    },
  };
}

export function formatSeconds(ms: number): string {
  const tenths = Math.round(ms / 100);
  if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

import { createRequire } from 'node:module';
import type { MultiBar } from 'cli-progress';

/** Logs and progress go to stderr, because stdout is for results (`--json`). */
let quiet = false;
let active: MultiBar | undefined;
let openBars = 0;

/** Turns the lines of `log` off (true) or on. Warnings are always printed. */
export function setQuiet(value: boolean): void {
  quiet = value;
}

/** Prints a line to stderr, above the progress bars. */
export function log(line: string): void {
  if (quiet) return;
  if (active) active.log(`${line}\n`);
  else process.stderr.write(`${line}\n`);
}

/** Prints a warning, even with --quiet. */
export function warn(line: string): void {
  if (active) active.log(`warning: ${line}\n`);
  else process.stderr.write(`warning: ${line}\n`);
}

/** The progress of some work. */
export interface Progress {
  /** Sets the amount of work that is done, in the unit of `total`. */
  update(done: number, note?: string): void;
  /** Ends the progress. In a log, this prints one line. */
  done(note?: string): void;
}

/**
 * Shows the progress of one piece of work: a bar on a terminal; in a log, a line every ten seconds and at the end;
 * nothing with --quiet.
 */
export function startProgress(label: string, total: number): Progress {
  if (quiet) return { update: () => {}, done: () => {} };
  return process.stderr.isTTY ? barProgress(label, total) : lineProgress(label, total);
}

const load = createRequire(import.meta.url);

function barProgress(label: string, total: number): Progress {
  // Loaded late: loading it takes a twentieth of the time of a build with nothing to do.
  const cliProgress: typeof import('cli-progress') = load('cli-progress');
  active ??= new cliProgress.MultiBar(
    {
      format: '{label} {bar} {percentage}% {note}',
      hideCursor: true,
      clearOnComplete: true,
      stream: process.stderr,
    },
    cliProgress.Presets.shades_grey,
  );
  const bars = active;
  openBars++;
  const bar = bars.create(total, 0, { label, note: '' });
  return {
    update: (done, note = '') => bar.update(done, { note }),
    done: (note) => {
      bar.stop();
      bars.remove(bar);
      // MultiBar.isActive stays true until stop(), even if all bars were removed.
      if (--openBars === 0) {
        bars.update(); // Writes waiting lines, because stop() would drop them.
        bars.stop();
        active = undefined;
      }
      if (note) log(`${label}: ${note}`);
    },
  };
}

const LINE_INTERVAL_MS = 10_000;

function lineProgress(label: string, total: number): Progress {
  let last = Date.now();
  return {
    update: (done, note = '') => {
      if (Date.now() - last < LINE_INTERVAL_MS) return;
      last = Date.now();
      log(`${label}: ${total > 0 ? Math.floor((100 * done) / total) : 0}% ${note}`.trimEnd());
    },
    done: (note) => log(note ? `${label}: ${note}` : `${label}: done`),
  };
}

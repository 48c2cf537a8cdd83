import { createRequire } from 'node:module';
import type { MultiBar } from 'cli-progress';

/** Logs and progress go to stderr; stdout belongs to results (`--json`). */
let quiet = false;
let active: MultiBar | undefined;
let openBars = 0;

/** Turns the lines of `log` off (true) or on. Warnings stay. */
export function setQuiet(value: boolean): void {
  quiet = value;
}

/** Prints a line to stderr, above the progress that is shown there. */
export function log(line: string): void {
  if (quiet) return;
  if (active) active.log(`${line}\n`);
  else process.stderr.write(`${line}\n`);
}

/** A warning is shown even with --quiet. */
export function warn(line: string): void {
  if (active) active.log(`warning: ${line}\n`);
  else process.stderr.write(`warning: ${line}\n`);
}

/** A line that says how far some work is. */
export interface Progress {
  /** Sets how far the work is, in the unit of `total`. */
  update(done: number, note?: string): void;
  /** Ends it; on a log this prints one line. */
  done(note?: string): void;
}

/**
 * Progress of one piece of work: a bar on a terminal, a plain line every ten seconds and at the end in a log,
 * nothing with --quiet.
 */
export function startProgress(label: string, total: number): Progress {
  if (quiet) return { update: () => {}, done: () => {} };
  return process.stderr.isTTY ? barProgress(label, total) : lineProgress(label, total);
}

const load = createRequire(import.meta.url);

function barProgress(label: string, total: number): Progress {
  // Only now: loading it takes a twentieth of a build with nothing to do.
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
      // MultiBar.isActive stays true until stop(), whatever was removed.
      if (--openBars === 0) {
        bars.update(); // writes the lines that wait; stop() would drop them
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

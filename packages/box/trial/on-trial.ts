import { type Box, describeError, orLog, readTextIfThere } from '../io/box.ts';

/** Exists while the running release is on trial; lists the faults. */
const ON_TRIAL = '/run/draisine/on-trial.json';
/** Exists from the end of a trial until the next boot. A state of the trial that is written later does not count. */
const ENDED = '/run/draisine/on-trial.ended';

/** A release on trial. */
export interface OnTrial {
  readonly version: string;
  /** Tries left. */
  readonly left: number;
  readonly faults: readonly string[];
  /** Seconds since the boot until the decision. */
  readonly settle: number;
  readonly deadline: number;
}

/** The release on trial; undefined if there is none. */
export function onTrial(box: Box): OnTrial | undefined {
  const text = box.stat(ENDED) ? undefined : readTextIfThere(box, ON_TRIAL);
  return text === undefined ? undefined : (JSON.parse(text) as OnTrial);
}

/** Ends the trial, also if the file cannot be removed or if another process writes it again. */
export function endTrial(box: Box): void {
  box.remove(ON_TRIAL);
  orLog(box, 'warning', 'the end of the trial cannot be recorded', () =>
    box.writeFile(ENDED, '', { durable: false }),
  );
}

function say(box: Box, trial: OnTrial): void {
  box.makeFolder('/run/draisine');
  box.writeFile(ON_TRIAL, `${JSON.stringify(trial)}\n`, { durable: false });
}

/**
 * Shows the state of a trial. Returns false if that fails, e.g. because /run is full or the new release cannot report
 * its own state: the trial must end nevertheless.
 */
export function show(box: Box, trial: OnTrial, notify: () => void): boolean {
  try {
    say(box, trial);
    notify();
    return true;
  } catch (error) {
    box.log('warning', `the trial cannot be shown: ${describeError(error)}`);
    return onTrial(box) !== undefined;
  }
}

import { LOCKED, withLock } from '../disk/lock.ts';
import { type Box, BoxError, describeError } from '../io/box.ts';

const LOCK = '/run/draisine/update.lock';
const TAKEN =
  'another update is running: try again when it has ended (journalctl -u draisine-update -n 20 shows what the timer does)';

/**
 * Runs something while no other `draisine` changes updates.
 * @throws BoxError if another one does
 */
export function exclusive<T>(box: Box, use: () => T): T {
  return withLock(box, LOCK, TAKEN, use);
}

/** Milliseconds between two attempts to take a lock. */
const PAUSE = 1000;

/** A lock for which a process waits. */
interface Turn {
  /** The folder of the lock (`withLock`). */
  readonly lock: string;
  /** The message if another process has it. */
  readonly taken: string;
  /** Milliseconds of waiting, after which the process goes on without the lock. */
  readonly patience: number;
  /** The warning in that case. */
  readonly without: string;
}

/**
 * Waits until the other process has ended. The wait has a limit, because a trial must end even if the other process hangs.
 */
function wait<T>(box: Box, { lock, taken, patience, without }: Turn, use: () => T): T {
  for (let waited = 0; ; waited += PAUSE) {
    let mine = false;
    try {
      return withLock(box, lock, taken, () => {
        mine = true;
        return use();
      });
    } catch (error) {
      if (mine || !(error instanceof BoxError)) throw error;
      if (error.code !== LOCKED || waited + PAUSE >= patience) {
        box.log('warning', `${without}: ${describeError(error)}`);
        return use();
      }
    }
    box.sleep(PAUSE);
  }
}

const TRIAL: Turn = {
  ...{ lock: LOCK, taken: TAKEN },
  patience: 300_000,
  without: 'the trial goes on without the lock',
};

/** The same as `exclusive` for a trial, which waits until the other `draisine` has ended. */
export const inTurn = <T>(box: Box, use: () => T): T => wait(box, TRIAL, use);

const STATE: Turn = {
  lock: '/run/draisine/update-state.lock',
  taken: 'another draisine changes the state of updates',
  patience: 30_000,
  without: 'the state of updates is changed without its lock',
};

/** Runs something that takes moments, while no other process changes the state of updates. */
export const withState = <T>(box: Box, use: () => T): T => wait(box, STATE, use);

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

/** Milliseconds for which a trial waits for another `draisine`, and between two attempts. */
const PATIENCE = 300_000;
const PAUSE = 1000;

/**
 * The same for a trial, which waits until the other `draisine` has ended. The wait has a limit, because a trial must end
 * even if the other one hangs.
 */
export function inTurn<T>(box: Box, use: () => T): T {
  for (let waited = 0; ; waited += PAUSE) {
    let mine = false;
    try {
      return exclusive(box, () => {
        mine = true;
        return use();
      });
    } catch (error) {
      if (mine || !(error instanceof BoxError)) throw error;
      if (error.code !== LOCKED || waited + PAUSE >= PATIENCE) {
        box.log('warning', `the trial goes on without the lock: ${describeError(error)}`);
        return use();
      }
    }
    box.sleep(PAUSE);
  }
}

import { constants } from 'node:os';
import { log } from '../../sdk/lib/log.ts';

type Stopping = 'SIGINT' | 'SIGTERM';

/** Time for recipes to end after the first signal. */
const GRACE_MS = 10_000;

/** A listener for SIGINT and SIGTERM. */
export interface Interruption {
  readonly signal: AbortSignal;
  /** Call it when the work has ended: it exits with 130 or 143 if a signal came, else it returns. */
  end(): void;
}

/**
 * The first SIGINT or SIGTERM aborts `signal`: recipes stop their tools and remove unfinished files. The
 * second signal, or ten seconds, ends the process at once, after `cleanUp`. The exit code is 128 + the number
 * of the signal.
 */
export function catchSignals(cleanUp: () => void): Interruption {
  const controller = new AbortController();
  let caught: Stopping | undefined;
  const exit = (name: Stopping): never => {
    cleanUp();
    process.exit(128 + constants.signals[name]);
  };
  const onSignal = (name: Stopping): void => {
    if (caught) exit(name);
    caught = name;
    log('stopping; once more to stop at once');
    controller.abort();
    setTimeout(() => exit(name), GRACE_MS).unref();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    signal: controller.signal,
    end: () => {
      if (caught) exit(caught);
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}

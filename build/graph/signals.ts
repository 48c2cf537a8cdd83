import { constants } from 'node:os';
import { log } from '../../sdk/lib/log.ts';

type Stopping = 'SIGINT' | 'SIGTERM';

/** Recipes get this long to end after the first signal. */
const GRACE_MS = 10_000;

/** SIGINT and SIGTERM, listened to. */
export interface Interruption {
  readonly signal: AbortSignal;
  /** To be called when the work has ended: exits with 130 or 143 if a signal came, else returns. */
  end(): void;
}

/**
 * The first SIGINT or SIGTERM aborts `signal`, so that recipes stop their tools and remove what they began; the
 * second, or ten seconds, ends the process at once, after `cleanUp`. Its exit code is 128 + the signal's number.
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

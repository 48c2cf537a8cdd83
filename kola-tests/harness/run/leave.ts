import { after } from 'node:test';

/** After this time in milliseconds, everything that ends by itself has ended. */
const GRACE_MS = 1_000;
const DRAINED_MS = 100;

/**
 * Ends the process after its last suite. Otherwise leftovers of a test that was given up, such as a listening socket,
 * would keep the process and the run alive for ever. (In Node 20, the runner's own --test-force-exit does not reach its
 * child processes.)
 */
export function leaveWhenDone(): void {
  after(() => {
    // The timer itself does not keep the process alive, so a process without leftovers ends earlier.
    setTimeout(() => {
      // Node emits this event when nothing is left to do. The runner then cancels open tests and reports the totals.
      process.emit('beforeExit', Number(process.exitCode ?? 0));
      leaveWhenDrained();
    }, GRACE_MS).unref();
  });
}

function leaveWhenDrained(): void {
  setTimeout(() => {
    if (process.stdout.writableLength > 0) leaveWhenDrained();
    else process.exit();
  }, DRAINED_MS);
}

/** Ends this process if the process that started it is killed without a signal to its children. */
export function endWithParent(): void {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.exit(1);
  }, 1000).unref();
}

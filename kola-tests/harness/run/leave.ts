import { after } from 'node:test';

/** Everything that ends by itself has ended after this time. */
const GRACE_MS = 1_000;
const DRAINED_MS = 100;

/**
 * Called in a suite that is the last of its process: has the process end with it, whatever a test that was given up
 * left behind: a socket it listens on would hold it, and the run, for ever. (The runner's own --test-force-exit does
 * not reach a child of it in Node 20.)
 */
export function leaveWhenDone(): void {
  after(() => {
    // Without a hold of its own: a process that nothing holds ends before.
    setTimeout(() => {
      // What Node says when nothing is left to do: the runner then cancels what is open and reports its sums.
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

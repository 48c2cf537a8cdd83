import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../../sdk/lib/errors.ts';

/**
 * Promise.all that waits for the end of all promises, even after a failure. So the caller may then remove the files
 * that they use. Rejects with the first failure in order.
 */
export async function allEnded<T extends readonly Promise<unknown>[] | []>(
  work: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(work);
  return await Promise.all(work);
}

/** Limits of a wait: its time in milliseconds, and a signal that ends it early (its reason is thrown). */
export interface Patience {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Settles like `promise`. Rejects with the signal's reason if the signal is aborted first, and with a Failure after
 * `timeoutMs`.
 */
export async function within<T>(
  promise: Promise<T>,
  what: string,
  { timeoutMs, signal }: Patience,
): Promise<T> {
  signal?.throwIfAborted();
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  try {
    return await Promise.race([
      promise,
      new Promise<never>((_resolve, reject) => {
        timer = setTimeout(
          () => reject(new Failure(`${what}: not done after ${seconds(timeoutMs)}`)),
          timeoutMs,
        );
        onAbort = () => reject(signal?.reason);
        signal?.addEventListener('abort', onAbort, { once: true });
      }),
    ]);
  } finally {
    clearTimeout(timer);
    if (onAbort) signal?.removeEventListener('abort', onAbort);
    promise.catch(() => {}); // After the end of the wait, a failure of the promise has no reader.
  }
}

/** Additional time for the answer to a question that was asked in time. */
const SLACK_MS = 5_000;

/** The longest pause between two questions. */
const LONGEST_PAUSE_MS = 500;

/**
 * Calls `ask` until its result is not undefined, with pauses of `intervalMs`. An error of `ask` ends the wait at once. A
 * pause is as long as the question before it, so that questions do not take more than half of the processor of an
 * emulated guest, which has other work to do: the work that the caller waits for.
 */
export async function poll<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  { timeoutMs, signal, intervalMs = 100 }: Patience & { readonly intervalMs?: number },
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    const asked = performance.now();
    const left = Math.max(deadline - asked, 1);
    const answer = await within(ask(), what, { timeoutMs: left + SLACK_MS, signal });
    if (answer !== undefined) return answer;
    const now = performance.now();
    if (now >= deadline) throw new Failure(`${what}: not yet after ${seconds(timeoutMs)}`);
    const pause = Math.max(intervalMs, Math.min(now - asked, LONGEST_PAUSE_MS));
    await sleep(pause, undefined, signal ? { signal } : {}).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw error;
    });
  }
}

/** A duration as text, from milliseconds. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}

/** AbortSignal.any for signals that may be missing. */
export function anySignal(...signals: (AbortSignal | undefined)[]): AbortSignal {
  return AbortSignal.any(signals.filter((signal) => signal !== undefined));
}

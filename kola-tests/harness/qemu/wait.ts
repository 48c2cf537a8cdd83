import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../../sdk/lib/errors.ts';

/** Promise.all for work on files that go when it fails: rejects with the first failure in order once all have ended. */
export async function allEnded<T extends readonly Promise<unknown>[] | []>(
  work: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(work);
  return await Promise.all(work);
}

/** How long something may take, in milliseconds, and what ends the wait early (the reason is thrown). */
export interface Patience {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Settles like `promise`, but rejects with the signal's reason when that comes first, or a Failure after `timeoutMs`. */
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
          () => reject(new Failure(`${what}: no end after ${seconds(timeoutMs)}`)),
          timeoutMs,
        );
        onAbort = () => reject(signal?.reason);
        signal?.addEventListener('abort', onAbort, { once: true });
      }),
    ]);
  } finally {
    clearTimeout(timer);
    if (onAbort) signal?.removeEventListener('abort', onAbort);
    promise.catch(() => {}); // lost the race: its own failure has no reader any more
  }
}

/** A question that was asked in time may be answered a little late. */
const SLACK_MS = 5_000;

/** Asks again every `intervalMs` until the answer is not undefined. What `ask` throws ends the wait at once. */
export async function poll<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  { timeoutMs, signal, intervalMs = 100 }: Patience & { readonly intervalMs?: number },
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    const left = Math.max(deadline - performance.now(), 1);
    const answer = await within(ask(), what, { timeoutMs: left + SLACK_MS, signal });
    if (answer !== undefined) return answer;
    if (performance.now() >= deadline) throw new Failure(`${what}: not so after ${seconds(timeoutMs)}`);
    await sleep(intervalMs, undefined, signal ? { signal } : {}).catch((error: unknown) => {
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

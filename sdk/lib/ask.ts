import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';

/**
 * Asks a person on the terminal. Returns the answer without spaces around it. The answer is empty if the person ends the
 * input (Ctrl-D); readline's own promise would never settle then. Rejects when `signal` aborts.
 */
export async function askPerson(
  question: string,
  {
    signal,
    input = process.stdin,
    output = process.stderr,
  }: { signal?: AbortSignal; input?: NodeJS.ReadableStream; output?: NodeJS.WritableStream } = {},
): Promise<string> {
  const terminal = createInterface({ input, output });
  // In raw mode Ctrl-C is a character, not a signal.
  terminal.once('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    const ended = once(terminal, 'close').then(() => '');
    const answer = await Promise.race([terminal.question(question, signal ? { signal } : {}), ended]);
    return answer.trim();
  } catch (error) {
    // Newer versions of Node reject at Ctrl-D.
    if (error instanceof Error && error.name === 'AbortError' && !signal?.aborted) return '';
    throw error;
  } finally {
    terminal.close();
  }
}

import type { WriteStream } from 'node:tty';
import { errorCode } from './errors.ts';

/**
 * Ends the program if its output cannot be written. If the reader has ended (`| head`), it prints nothing, as with
 * SIGPIPE, which Node ignores. Otherwise it prints the reason once.
 */
export function endWithOutput(stdout: WriteStream, stderr: WriteStream): void {
  stdout.on('error', (error) => {
    if (errorCode(error) !== 'EPIPE')
      stderr.write(`error: cannot write to standard output: ${error.message}\n`);
    process.exit(1);
  });
  stderr.on('error', () => process.exit(1));
}

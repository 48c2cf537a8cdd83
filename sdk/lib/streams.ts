import type { WriteStream } from 'node:tty';
import { errorCode } from './errors.ts';

/**
 * Ends the program when what it prints goes nowhere: without a word when its reader left (`| head`), as SIGPIPE, which
 * Node ignores, would; else with the reason, once.
 */
export function endWithOutput(stdout: WriteStream, stderr: WriteStream): void {
  stdout.on('error', (error) => {
    if (errorCode(error) !== 'EPIPE')
      stderr.write(`error: cannot write to standard output: ${error.message}\n`);
    process.exit(1);
  });
  stderr.on('error', () => process.exit(1));
}

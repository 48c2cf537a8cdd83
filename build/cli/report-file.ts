import { existsSync, statSync } from 'node:fs';
import { badInput, errorCode } from '../../sdk/lib/errors.ts';
import { writeAtomic } from '../../sdk/lib/files.ts';
import { log } from '../../sdk/lib/log.ts';

/** Writes a report where the user wants it; a place that cannot be written is bad input. `option` is the flag's name. */
export async function writeReport(option: string, path: string, text: string): Promise<void> {
  const refuse = (why: string, cause?: unknown) =>
    badInput(`${option}: cannot write ${JSON.stringify(path)}: ${why}`, {
      mend: 'name a file in a folder that you may write to',
      cause,
    });
  if (path === '') throw refuse('no name');
  if (existsSync(path) && statSync(path).isDirectory()) throw refuse('it is a folder');
  try {
    await writeAtomic(path, text);
  } catch (error) {
    if (errorCode(error) === undefined || !(error instanceof Error)) throw error;
    throw refuse(error.message, error);
  }
  log(`wrote ${path}`);
}

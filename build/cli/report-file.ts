import { log } from '../../sdk/lib/log.ts';
import { writeOutput } from '../../sdk/lib/output.ts';

/** Writes a report where the user wants it. */
export async function writeReport(path: string, text: string): Promise<void> {
  await writeOutput(path, text);
  log(`wrote ${path}`);
}

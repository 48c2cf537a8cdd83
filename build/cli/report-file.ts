import { log } from '../../sdk/lib/log.ts';
import { writeOutput } from '../../sdk/lib/output.ts';

/** Writes a report to the file that the user named. */
export async function writeReport(path: string, text: string): Promise<void> {
  await writeOutput(path, text);
  log(`wrote ${path}`);
}

import { describeFailure, Failure } from '../../../sdk/lib/errors.ts';
import { indent } from '../qemu/console.ts';
import { type CommandVerbs, lastLines } from './commands.ts';

/**
 * Runs all checks, by their descriptions, even after one has failed. Then fails once, with all failed checks and the
 * end of the machine's journal. It is for tests with many independent checks.
 */
export async function softly(
  box: Pick<CommandVerbs, 'journal'>,
  checks: Readonly<Record<string, () => Promise<unknown>>>,
): Promise<void> {
  const failed: string[] = [];
  for (const [what, check] of Object.entries(checks)) {
    try {
      await check();
    } catch (error) {
      const why = error instanceof Failure ? describeFailure(error) : String(error);
      failed.push(`${what}:\n${indent(why)}`);
    }
  }
  if (failed.length === 0) return;
  const journal = await box.journal().catch((error: unknown) => `no journal: ${String(error)}`);
  throw new Failure(
    `${failed.length} of ${Object.keys(checks).length} checks failed\n${failed.join('\n')}\njournal, last lines:\n${indent(lastLines(journal, 20))}`,
  );
}

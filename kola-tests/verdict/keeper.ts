import { log } from '../../sdk/lib/log.ts';
import type { Inputs } from './inputs.ts';
import { dropPass, keepPass, type Pass, readPass, type Subject } from './record.ts';

/** Looks up earlier passes, and remembers new ones. */
export interface Keeper {
  /** The pass of the same inputs. Unknown inputs have none. */
  look(subject: Subject, inputs: Inputs | undefined): Promise<Pass | undefined>;
  /** Takes the result of a test that was looked up. Returns at once. */
  ended(subject: Subject, how: Promise<Omit<Pass, 'at'> | undefined>): void;
  /** Returns when everything is on disk. */
  settle(): Promise<void>;
}

/** Makes a keeper. With `fresh` it finds no earlier pass. */
export function createKeeper({ fresh }: { readonly fresh: boolean }): Keeper {
  const waited = new Map<string, Inputs>();
  const pending: Promise<void>[] = [];
  const id = ({ kind, name }: Subject): string => `${kind}\n${name}`;

  async function keep(subject: Subject, how: Promise<Omit<Pass, 'at'> | undefined>): Promise<void> {
    const inputs = waited.get(id(subject));
    if (!inputs) return;
    const passed = await how;
    if (!passed) return await dropPass(subject, inputs.key);
    if (!inputs.unchanged()) return;
    await keepPass(subject, inputs.key, { ...passed, at: new Date().toISOString() });
  }

  return {
    look: async (subject, inputs) => {
      if (!inputs) return undefined;
      waited.set(id(subject), inputs);
      return fresh ? undefined : await readPass(subject, inputs.key);
    },
    ended: (subject, how) => {
      const kept = keep(subject, how).catch((error: unknown) =>
        log(`the verdict on ${subject.name} is not remembered: ${String(error)}`),
      );
      pending.push(kept);
    },
    settle: async () => void (await Promise.all(pending)),
  };
}

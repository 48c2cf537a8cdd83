import { basename, join, relative } from 'node:path';
import type { Sources } from '../../build/for-kola.ts';
import { hostFacts } from '../verdict/host.ts';
import type { Inputs } from '../verdict/inputs.ts';
import { createKeeper } from '../verdict/keeper.ts';
import type { Pass, Subject } from '../verdict/record.ts';
import { unitInputs, wholeInputs } from '../verdict/unit.ts';
import { longestFirst, takeTogether, tellStage } from './beforehand.ts';
import type { CachedTest, StageVerdicts, TestEvent } from './stages.ts';

/** Variables of the stage that name folders of the store: the last part of the path is a digest or a key. */
const TREES = ['DRAISINE_IGNITION_TOOLS', 'DRAISINE_IGNITION_SOURCE'];

interface Counted {
  tests: number;
  /** True if a test failed or was not run. Then the file has not passed. */
  bad: boolean;
  /** Duration of the whole file. Known when its process has ended. */
  ms?: number;
}

/**
 * Adds up node:test's events by file, and calls `done` for each file that has ended. A process may end before the events
 * of its tests arrive. Then they arrive in one sequence, without events of other files between them.
 */
export function countFiles(done: (file: string, passed: Omit<Pass, 'at'> | undefined) => void): {
  see(event: TestEvent): void;
  end(): void;
} {
  const counted = new Map<string, Counted>();
  let current: string | undefined;
  const finish = (file: string): void => {
    const count = counted.get(file);
    if (count?.ms === undefined) return;
    counted.delete(file);
    const { tests, bad, ms } = count;
    done(file, bad || tests === 0 ? undefined : { tests, ms });
  };
  return {
    see: ({ type, data }) => {
      const { file, name, details } = data;
      if (type !== 'test:complete' || file === undefined) return;
      const count = counted.get(file) ?? { tests: 0, bad: false };
      counted.set(file, count);
      if (details?.passed !== true || data.skip !== undefined || data.todo !== undefined) count.bad = true;
      if (name === file) {
        count.ms = Math.round(details?.duration_ms ?? 0);
        return;
      }
      if (details?.type !== 'suite') count.tests += 1;
      if (current !== undefined && current !== file) finish(current);
      current = file;
    },
    end: () => {
      for (const file of [...counted.keys()]) finish(file);
    },
  };
}

/** The inputs of a file, given the variables of its stage; undefined when they cannot be known. */
type InputsOf = (file: string, env: Readonly<Record<string, string>>) => Inputs | undefined;

/** Verdicts on files of unit tests, a file at a time. */
export function unitVerdicts(sources: Sources, { fresh }: { readonly fresh: boolean }): StageVerdicts {
  const host = hostFacts();
  return fileVerdicts({ sources, fresh, table: 'unitFile' }, (file, env) => {
    const values = Object.fromEntries(TREES.map((name) => [name, basename(env[name] ?? '')]));
    return unitInputs(sources, file, host, values);
  });
}

/** The verdict on checks that read all of the checkout, by the tools of the tree that `tools` finds. */
export function wholeVerdicts(
  sources: Sources,
  { fresh }: { readonly fresh: boolean },
  tools: (env: Readonly<Record<string, string>>) => string,
): StageVerdicts {
  const host = hostFacts();
  return fileVerdicts({ sources, fresh, table: 'check' }, (file, env) =>
    wholeInputs(sources, file, host, basename(tools(env))),
  );
}

interface FileVerdicts {
  readonly sources: Sources;
  readonly fresh: boolean;
  /** The estimated duration where none was recorded. */
  readonly table: 'check' | 'unitFile';
}

function fileVerdicts({ sources, fresh, table }: FileVerdicts, inputsOf: InputsOf): StageVerdicts {
  const keeper = createKeeper({ fresh });
  const subject = (file: string): Subject => ({ kind: 'unit', name: relative(sources.checkout, file) });
  const files = countFiles((file, passed) => keeper.ended(subject(file), Promise.resolve(passed)));

  return {
    known: async (all, env) => {
      const cached: CachedTest[] = [];
      const left: string[] = [];
      for (const file of all) {
        const of = subject(file);
        const pass = await keeper.look(of, inputsOf(of.name, env));
        if (pass) cached.push({ name: of.name, file, pass });
        else left.push(file);
      }
      await sources.save();
      const take = table === 'check' ? 'checks of the sources' : 'files of unit tests';
      const ordered = await longestFirst(
        left.map((file) => relative(sources.checkout, file)),
        table,
      );
      tellStage(take, { run: left.length, cached: cached.length, ms: takeTogether(ordered) });
      return { cached, files: ordered.map(({ file }) => join(sources.checkout, file)) };
    },
    see: files.see,
    settle: async () => {
      files.end();
      await keeper.settle();
    },
  };
}

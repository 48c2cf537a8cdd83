import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setQuiet } from '../../sdk/lib/log.ts';
import { type BuildOptions, buildTargets, runBuild } from './run.ts';
import { openStore, type Store } from './store.ts';
import type { Target } from './target.ts';

/** For tests: an own folder, removed at the end. */
export async function temporaryFolder(t: { after(hook: () => Promise<void>): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'draisine-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** For tests: an own empty store; the log is silent. */
export async function temporaryStore(t: TestContext): Promise<Store> {
  setQuiet(true);
  return openStore(await temporaryFolder(t));
}

/** For tests: the same store as another process would open it. */
export function reopen(store: Store): Store {
  return openStore(store.root);
}

/** For tests: builds one target and returns the text of its output. */
export async function buildText(target: Target, store: Store, options: BuildOptions = {}): Promise<string> {
  const outputs = await buildTargets([target], { ...options, store: reopen(store), signal: neverAborted() });
  return await readFile(outputs.get(target.name)?.path ?? '', 'utf8');
}

/** For tests: names of the targets that ran, in the order in which they ended. */
export async function namesRun(target: Target, store: Store, options: BuildOptions = {}): Promise<string[]> {
  const result = await runBuild([target], { ...options, store: reopen(store), signal: neverAborted() });
  for (const { error } of result.failures) throw error;
  return result.ran.map(({ name }) => name);
}

/** A signal that keeps the build from listening to those of the test runner. */
export function neverAborted(): AbortSignal {
  return new AbortController().signal;
}

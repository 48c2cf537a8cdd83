import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { openSources, type Sources } from '../../build/for-kola.ts';

/** Makes a checkout with these files and a cache, for tests. Changes the process's environment. */
export async function temporaryCheckout(
  t: TestContext,
  files: Readonly<Record<string, string>>,
): Promise<Checkout> {
  const root = await mkdtemp(join(tmpdir(), 'verdict-test-'));
  const cache = process.env.DRAISINE_CACHE;
  process.env.DRAISINE_CACHE = join(root, 'out/cache');
  t.after(async () => {
    if (cache === undefined) delete process.env.DRAISINE_CACHE;
    else process.env.DRAISINE_CACHE = cache;
    await rm(root, { recursive: true, force: true });
  });
  const write = (name: string, text: string): void => {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  };
  for (const [name, text] of Object.entries(files)) write(name, text);
  return { root, write, open: () => openSources(root) };
}

export interface Checkout {
  readonly root: string;
  write(name: string, text: string): void;
  /** Reads the checkout again, as a new process would. */
  open(): Sources;
}

/** A package-lock.json with these packages: name → version. */
export function npmLock(versions: Readonly<Record<string, string>>): string {
  const packages = Object.entries(versions).map(([name, version]) => [
    `node_modules/${name}`,
    { version, integrity: `sha512-${version}` },
  ]);
  return JSON.stringify({ packages: Object.fromEntries(packages) });
}

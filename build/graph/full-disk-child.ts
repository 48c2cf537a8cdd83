import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeFailure } from '../../sdk/lib/errors.ts';
import { setQuiet } from '../../sdk/lib/log.ts';
import { addBlob } from './blobs.ts';
import { runBuild } from './run.ts';
import { openStore } from './store.ts';
import { recipe } from './target.ts';

/**
 * A program for store.test.ts: fills the store given as argument, and prints the error and the files left in
 * tmp/, as JSON.
 */
const big = recipe<Record<never, never>>({
  from: import.meta.url,
  kind: 'file',
  run: ({ out }) => writeFile(out, Buffer.alloc(4 << 20, 1)),
});
const adds = recipe<Record<never, never>>({
  from: import.meta.url,
  kind: 'file',
  run: async ({ add }) => {
    await add(Buffer.alloc(4 << 20, 2));
  },
});

setQuiet(true);
const errors: string[] = [];
const root = process.argv[2] ?? '';
try {
  const store = openStore(root);
  await addBlob(store, Buffer.alloc(4 << 20)).catch((error: unknown) => errors.push(describeFailure(error)));
  for (const target of [big('big', {}), adds('adds', {})]) {
    const { failures } = await runBuild([target], { store });
    errors.push(...failures.map(({ error }) => describeFailure(error)));
  }
  process.stdout.write(JSON.stringify({ errors, tmp: readdirSync(join(root, 'tmp')) }));
} catch (error) {
  process.stdout.write(JSON.stringify({ errors: [describeFailure(error)] }));
}

import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { sha256 } from '../../sdk/lib/files.ts';
import { setQuiet } from '../../sdk/lib/log.ts';
import { runBuild } from './run.ts';
import { openStore } from './store.ts';
import { recipe, type Target } from './target.ts';

/**
 * A program for crash.test.ts: builds a graph with predictable bytes in the store given as argument. The
 * second argument is the delay of each recipe in milliseconds. Prints the recipes that ran and the text of
 * the top target, as JSON.
 */
const STEPS = 12;
const dawdle = Number(process.argv[3] ?? 0);

const step = recipe<{ n: number; below: readonly Target[] }>({
  from: import.meta.url,
  kind: 'file',
  run: async ({ inputs, out, add, blob }) => {
    const [below] = inputs.below;
    const before = below ? await readFile(await blob(await readFile(below.path, 'utf8')), 'utf8') : '';
    await sleep(dawdle / 2);
    const digest = await add(Buffer.from(`${before}${inputs.n}\n`.padEnd(1000 * inputs.n)));
    await writeFile(out, digest);
    await sleep(dawdle / 2);
  },
});
const tools = recipe<{ of: Target }>({
  from: import.meta.url,
  kind: 'dir',
  run: async ({ inputs, out }) => {
    const { mkdir } = await import('node:fs/promises');
    await mkdir(out);
    for (let n = 0; n < 20; n++) await writeFile(`${out}/${n}`, await readFile(inputs.of.path));
  },
});
const top = recipe<{ tools: Target; of: Target }>({
  from: import.meta.url,
  kind: 'file',
  run: async ({ inputs, out, blob }) => {
    const digest = await readFile(`${inputs.tools.path}/19`, 'utf8');
    await writeFile(out, sha256(await readFile(await blob(digest))));
  },
});

let below: Target | undefined;
for (let n = 1; n <= STEPS; n++) below = step(`step${n}`, { n, below: below ? [below] : [] });
if (!below) throw new Error('no steps');
setQuiet(true);
const result = await runBuild([top('top', { of: below, tools: tools('tools', { of: below }) })], {
  store: openStore(process.argv[2]),
  jobs: 2,
});
const path = result.outputs.get('top')?.path;
process.stdout.write(
  JSON.stringify({
    ran: result.ran.map(({ name }) => name),
    text: path === undefined ? '' : await readFile(path, 'utf8'),
    errors: result.failures.map(({ error }) => String(error)),
  }),
);

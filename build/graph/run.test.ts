import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Failure } from '../../sdk/lib/errors.ts';
import { sha256 } from '../../sdk/lib/files.ts';
import { addBlob, blobPath } from './blobs.ts';
import { codeReader } from './code.ts';
import { loadFacts } from './facts.ts';
import { makeGraph } from './graph.ts';
import { actionOf, keyReader } from './key.ts';
import { writeRecord } from './record.ts';
import { buildTargets, describeFailures, runBuild } from './run.ts';
import { recipe, type Source, type Target } from './target.ts';
import { buildText, namesRun, neverAborted, reopen, temporaryFolder, temporaryStore } from './testing.ts';

const text = recipe<{ text: string }>({
  from: import.meta.url,
  kind: 'file',
  run: ({ inputs, out }) => writeFile(out, inputs.text),
});
/** The lengths of its inputs: changes of content that keep the length stop here. */
const lengths = recipe<{ of: readonly Target[] }>({
  from: import.meta.url,
  kind: 'file',
  run: async ({ inputs, out }) => {
    const all = await Promise.all(inputs.of.map(({ path }) => readFile(path)));
    await writeFile(out, all.map(({ length }) => length).join(' '));
  },
});
const upper = recipe<{ of: Target }>({
  from: import.meta.url,
  kind: 'file',
  run: async ({ inputs, out }) => writeFile(out, (await readFile(inputs.of.path, 'utf8')).toUpperCase()),
});
const failing = recipe<{ of: readonly Target[]; why: string }>({
  from: import.meta.url,
  kind: 'file',
  run: ({ inputs }) => Promise.reject(new Failure(inputs.why, { where: 'there', hint: 'do this' })),
});
/** Its output names a blob, as a tree document does. */
const withBlob = recipe<{ text: string }>({
  from: import.meta.url,
  kind: 'file',
  run: async ({ inputs, out, add }) => writeFile(out, await add(Buffer.from(inputs.text))),
});
const pass = recipe<{ of: Target; salt: number }>({
  from: import.meta.url,
  kind: 'file',
  run: async ({ inputs, out }) => writeFile(out, await readFile(inputs.of.path)),
});
const readBlob = recipe<{ of: Target; salt: number }>({
  from: import.meta.url,
  kind: 'file',
  run: async ({ inputs, out, blob }) => {
    const digest = await readFile(inputs.of.path, 'utf8');
    await writeFile(out, `${inputs.salt} ${await readFile(await blob(digest), 'utf8')}`);
  },
});
const folder = recipe<{ text: string }>({
  from: import.meta.url,
  kind: 'dir',
  run: async ({ inputs, out }) => {
    await mkdir(join(out, 'bin'), { recursive: true });
    await writeFile(join(out, 'bin/tool'), inputs.text);
  },
});
const useFolder = recipe<{ tools: Target; salt: number }>({
  from: import.meta.url,
  kind: 'file',
  run: async ({ inputs, out }) =>
    writeFile(out, `${await readFile(join(inputs.tools.path, 'bin/tool'), 'utf8')} ${inputs.salt}`),
});

test('builds the needed targets, then none', async (t) => {
  const store = await temporaryStore(t);
  const top = lengths('top', { of: [text('a', { text: 'hello' }), text('b', { text: 'you' })] });
  assert.deepEqual((await namesRun(top, store)).sort(), ['a', 'b', 'top']);
  assert.deepEqual(await namesRun(top, store), []);
  assert.equal(await buildText(top, store), '5 3');
  assert.deepEqual(readdirSync(join(store.root, 'tmp')), []);
  assert.deepEqual(readdirSync(join(store.root, 'locks')), []);
});

test('early cut-off: an input that comes out the same stops the rebuilding', async (t) => {
  const store = await temporaryStore(t);
  const graph = (word: string) =>
    upper('top', { of: lengths('middle', { of: [text('a', { text: word })] }) });
  await buildText(graph('hello'), store);
  assert.deepEqual(await namesRun(graph('world'), store), ['a', 'middle']);
  assert.deepEqual(await namesRun(graph('longer'), store), ['a', 'middle', 'top']);
});

test('two recipes of one module with equal inputs do not share a key', async (t) => {
  const store = await temporaryStore(t);
  const of = text('a', { text: 'Mixed' });
  assert.equal(await buildText(upper('one', { of }), store), 'MIXED');
  assert.equal(await buildText(lower('two', { of }), store), 'mixed');
});
const lower = recipe<{ of: Target }>({
  from: import.meta.url,
  kind: 'file',
  run: async ({ inputs, out }) => writeFile(out, (await readFile(inputs.of.path, 'utf8')).toLowerCase()),
});

test('a missing blob is made again only if a target needs it', async (t) => {
  const store = await temporaryStore(t);
  const a = text('a', { text: 'hello' });
  await buildText(lengths('top', { of: [a] }), store);
  rmSync(blobPath(store, sha256('hello')));
  assert.deepEqual(await namesRun(lengths('top', { of: [a] }), store), []);
  assert.deepEqual(await namesRun(lengths('same key', { of: [a] }), store), []);
  assert.ok(!existsSync(blobPath(store, sha256('hello'))));
  assert.deepEqual(await namesRun(upper('up', { of: a }), store), ['a', 'up']);
});

test('the output of the asked target is made again when its blob is gone or was tampered with', async (t) => {
  const store = await temporaryStore(t);
  const top = text('top', { text: 'truth' });
  await buildText(top, store);
  const path = blobPath(store, sha256('truth'));
  rmSync(path);
  assert.equal(await buildText(top, store), 'truth');
  chmodSync(path, 0o644);
  writeFileSync(path, 'lies!');
  assert.equal(await buildText(top, store), 'truth');
});

test('a tampered input is made again before it is used', async (t) => {
  const store = await temporaryStore(t);
  const a = text('a', { text: 'truth' });
  await buildText(a, store);
  chmodSync(blobPath(store, sha256('truth')), 0o644);
  writeFileSync(blobPath(store, sha256('truth')), 'lies!');
  assert.equal(await buildText(upper('top', { of: a }), store), 'TRUTH');
});

test('a blob that an output refers to is made again, through any number of targets, with one job', async (t) => {
  const store = await temporaryStore(t);
  const graph = (salt: number) =>
    readBlob('top', { of: pass('p', { of: withBlob('a', { text: 'content' }), salt: 0 }), salt });
  assert.equal(await buildText(graph(1), store), '1 content');
  rmSync(blobPath(store, sha256('content')));
  assert.deepEqual(await namesRun(graph(1), store), []);
  assert.deepEqual(await namesRun(graph(2), store, { jobs: 1 }), ['a', 'top']);
  assert.equal(await buildText(graph(2), store), '2 content');
});

test('a blob that comes from none of its inputs is refused', async (t) => {
  const store = await temporaryStore(t);
  await buildText(withBlob('elsewhere', { text: 'secret' }), store);
  const top = readBlob('top', { of: text('a', { text: sha256('secret') }), salt: 1 });
  await assert.rejects(buildText(top, store), /top: the blob [0-9a-f]{64} comes from nothing it depends on/);
});

test('a folder output is used, checked, and made again when it was changed', async (t) => {
  const store = await temporaryStore(t);
  const tools = folder('tools', { text: 'tool' });
  const top = (salt: number) => useFolder('top', { tools, salt });
  assert.equal(await buildText(top(1), store), 'tool 1');
  const [key = ''] = readdirSync(join(store.root, 'dirs'));
  const file = join(store.root, 'dirs', key, 'bin/tool');
  writeFileSync(file, 'lie!');
  assert.deepEqual(await namesRun(top(1), store), []); // nobody looks
  assert.deepEqual(await namesRun(top(2), store), ['tools', 'top']);
  assert.equal(readFileSync(file, 'utf8'), 'tool');
  writeFileSync(`${file}.more`, '');
  assert.deepEqual(await namesRun(top(3), store), ['tools', 'top']);
  rmSync(join(store.root, 'dirs', key), { recursive: true });
  assert.deepEqual(await namesRun(top(4), store), ['tools', 'top']);
  assert.deepEqual(await namesRun(top(5), store), ['top']);
});

test('a failure keeps further targets from starting; -k goes on with targets that do not depend on it', async (t) => {
  const store = await temporaryStore(t);
  const bad = failing('bad', { of: [], why: 'no luck' });
  const worse = failing('worse', { of: [text('x', { text: 'x' })], why: 'none here' });
  const good = text('good', { text: 'good' });
  const top = lengths('top', { of: [bad, worse, good] });
  const options = { jobs: 1, signal: neverAborted() };

  const first = await runBuild([top], { ...options, store: reopen(store) });
  assert.deepEqual(
    first.failures.map(({ name }) => name),
    ['bad'],
  ); // prettier-ignore
  assert.deepEqual(first.ran, []);
  assert.deepEqual([...first.skipped].sort(), ['good', 'top', 'worse', 'x']);

  const all = await runBuild([top], { ...options, store: reopen(store), keepGoing: true });
  assert.deepEqual(all.failures.map(({ name }) => name).sort(), ['bad', 'worse']); // prettier-ignore
  assert.deepEqual(all.ran.map(({ name }) => name).sort(), ['good', 'x']); // prettier-ignore
  assert.deepEqual(all.skipped, ['top']);
});

test('one clear error for each failure, with the name of the target', async (t) => {
  const store = await temporaryStore(t);
  const bad = failing('n1:bad', { of: [], why: 'no luck' });
  const worse = failing('n1:worse', { of: [], why: 'none here' });
  const options = { signal: neverAborted(), keepGoing: true };
  await assert.rejects(buildTargets([bad], { ...options, store: reopen(store) }), {
    message: 'n1:bad: no luck',
    where: 'there',
    hint: 'do this',
    exitCode: 1,
  });
  const both = buildTargets([bad, worse], { ...options, store: reopen(store) });
  await assert.rejects(both, /^Failure: 2 targets failed\nerror: n1:(bad|worse).*\n.*\n.*\nerror: n1:/);
  const full = (name: string) => ({
    name,
    error: new Failure(`${name}: no space left`, { where: '/store' }),
  });
  assert.deepEqual(describeFailures([full('a'), full('b'), { name: 'c', error: new Failure('c: other') }]), [
    'error: a: no space left\n  at:   /store',
    'error: c: other',
  ]);
});

test('a download with another digest than the pinned one is refused, also if it is in the store', async (t) => {
  const store = await temporaryStore(t);
  const pinned = fetched('d', { text: 'right', sha256: sha256('right') });
  assert.equal(await buildText(pinned, store), 'right');
  const wrong = fetched('e', { text: 'short', sha256: sha256('whole') });
  await assert.rejects(buildText(wrong, store), { name: 'Failure', message: /^e: .* is pinned/ });
  const [node] = makeGraph([wrong]).nodes;
  const { key } = actionOf(keyReader(loadFacts(store)), node!, () => assert.fail());
  const { digest, size } = await addBlob(store, Buffer.from('short'));
  await writeRecord(store, key, { name: 'e', kind: 'file', digest, size, refs: [], ms: 1 });
  await assert.rejects(buildText(wrong, store), { name: 'Failure', message: /^e: .* is pinned/ });
});
const fetched = recipe<{ text: string; sha256: string }>({
  from: import.meta.url,
  kind: 'file',
  fetch: true,
  run: ({ inputs, out }) => writeFile(out, inputs.text),
});

test('a recipe that leaves nothing, or the wrong kind, fails and leaves nothing behind', async (t) => {
  const store = await temporaryStore(t);
  await assert.rejects(
    buildText(nothing('top', {}), store),
    /top: the recipe had to leave a file as its output, but left nothing/,
  );
  await assert.rejects(buildText(wrongKind('top', {}), store), /left something else/);
  await assert.rejects(buildText(link('top', {}), store), /left something else/);
  assert.deepEqual(readdirSync(join(store.root, 'actions')), []);
  assert.deepEqual(readdirSync(join(store.root, 'tmp')), []);
});
const nothing = recipe<Record<never, never>>({ from: import.meta.url, kind: 'file', run: async () => {} });
const wrongKind = recipe<Record<never, never>>({
  from: import.meta.url,
  kind: 'file',
  run: async ({ out }) => mkdir(out).then(() => {}),
});
const link = recipe<Record<never, never>>({
  from: import.meta.url,
  kind: 'file',
  run: async ({ out }) => symlinkSync('/etc/passwd', out),
});

test('-B runs recipes again but not downloads, and warns when one is not reproducible', async (t) => {
  const store = await temporaryStore(t);
  const warnings = captureStderr(t);
  const top = pass('top', { of: random('r', { of: download('d', {}) }), salt: 1 });
  assert.deepEqual(await namesRun(top, store), ['d', 'r', 'top']);
  assert.deepEqual(await namesRun(top, store, { rebuild: true }), ['r', 'top']);
  assert.match(
    warnings(),
    /warning: r came out different from the same inputs: its recipe is not reproducible/,
  );
});
const download = recipe<Record<never, never>>({
  from: import.meta.url,
  kind: 'file',
  fetch: true,
  run: ({ out }) => writeFile(out, 'd'),
});
const random = recipe<{ of: Target }>({
  from: import.meta.url,
  kind: 'file',
  run: ({ out }) => writeFile(out, String(process.hrtime.bigint())),
});

test('runs in parallel up to the number of jobs, and shares them out', async (t) => {
  const store = await temporaryStore(t);
  const all = Array.from({ length: 6 }, (_, n) => busy(`busy${n}`, { n }));
  running.most = 0;
  running.jobs.length = 0;
  await namesRun(lengths('top', { of: all }), store, { jobs: 3 });
  assert.equal(running.most, 3);
  assert.ok(running.jobs.every((jobs) => jobs === 1));
  running.jobs.length = 0;
  await namesRun(busy('alone', { n: 99 }), store, { jobs: 3 });
  assert.deepEqual(running.jobs, [3]);
});
const running = { now: 0, most: 0, jobs: [] as number[] };
const busy = recipe<{ n: number }>({
  from: import.meta.url,
  kind: 'file',
  run: async ({ out, inputs, jobs }) => {
    running.jobs.push(jobs);
    running.most = Math.max(running.most, ++running.now);
    await sleep(20);
    running.now--;
    await writeFile(out, String(inputs.n));
  },
});

test('an aborted build removes its unfinished work and rejects', async (t) => {
  const store = await temporaryStore(t);
  const controller = new AbortController();
  const build = buildTargets([lengths('top', { of: [endless('e', {})] })], {
    store: reopen(store),
    signal: controller.signal,
  });
  setTimeout(() => controller.abort(), 50);
  await assert.rejects(build, { name: 'AbortError' });
  assert.deepEqual(readdirSync(join(store.root, 'tmp')), []);
  assert.deepEqual(readdirSync(join(store.root, 'locks')), []);
});
const endless = recipe<Record<never, never>>({
  from: import.meta.url,
  kind: 'file',
  run: async ({ out, signal }) => {
    await writeFile(out, 'half');
    await sleep(60_000, undefined, { signal });
  },
});

test('sources: content, names, executable bit and links count; times, owner rights and umask do not', async (t) => {
  const store = await temporaryStore(t);
  const root = await temporaryFolder(t);
  await mkdir(join(root, 'sub'));
  const file = join(root, 'sub/file');
  writeFileSync(file, 'one');
  symlinkSync('file', join(root, 'sub/link'));
  const top = useSource('top', { from: { source: root } });
  assert.deepEqual(await namesRun(top, store), ['top']);
  chmodSync(file, 0o600);
  chmodSync(join(root, 'sub'), 0o700);
  writeFileSync(file, 'one');
  assert.deepEqual(await namesRun(top, store), []);
  const steps = [
    () => writeFileSync(file, 'two'),
    () => chmodSync(file, 0o755),
    () => writeFileSync(join(root, 'empty'), ''),
    () => rmSync(join(root, 'empty')),
    () => {
      rmSync(join(root, 'sub/link'));
      symlinkSync('elsewhere', join(root, 'sub/link'));
    },
  ];
  const ran: number[] = [];
  for (const step of steps) {
    step();
    ran.push((await namesRun(top, store)).length);
  }
  assert.deepEqual(ran, [1, 1, 1, 0, 1]); // without `empty` it is as it was before
  await assert.rejects(namesRun(useSource('top', { from: { source: 'no/such/thing' } }), store), {
    message: /top: input "from": the source does not exist/,
    exitCode: 2,
  });
  const empty = join(root, 'sub/empty');
  await mkdir(empty);
  await assert.rejects(namesRun(top, store), { message: /git does not keep it/, where: empty, exitCode: 2 });
});

/** As someone with an editor: writes to a file while it runs. */
const editing = recipe<{ from: Source; edits: string; text: string }>({
  from: import.meta.url,
  kind: 'file',
  run: async ({ inputs, out }) => {
    await writeFile(inputs.edits, inputs.text);
    await writeFile(out, await readFile(inputs.from.path));
  },
});

test('a source edited while it is used fails its target; nothing of it is in the store', async (t) => {
  const store = await temporaryStore(t);
  const file = join(await temporaryFolder(t), 'file');
  writeFileSync(file, 'one');
  const target = editing('top', { from: { source: file }, edits: file, text: 'another' });
  await assert.rejects(buildText(target, store), {
    message: 'top: the input "from" changed while the target was built',
    where: file,
    hint: 'build again',
  });
  assert.equal(await buildText(target, store), 'another');
  writeFileSync(file, 'one');
  await assert.rejects(buildText(target, store), /changed while/, 'taken from the store');
});

test('code that was edited after the start of the process, and before it was read, keeps no output', async (t) => {
  const store = await temporaryStore(t);
  const facts = loadFacts(store);
  const target = text('t', { text: 'x' });
  // To a process that started long ago, all modules are edited ones.
  const old = { ...keyReader(facts), code: codeReader(facts, 0) };
  await assert.rejects(buildText(target, store, { keys: old }), {
    exitCode: 1,
    message: 't: a module was edited after this command had started',
    hint: 'give the command again',
  });
  assert.equal(await buildText(target, store, { keys: keyReader(facts) }), 'x');
  assert.equal(await buildText(target, store, { keys: old }), 'x', 'an output of a newer process is right');
});

test('code edited while something else is built counts from the next build on', async (t) => {
  const store = await temporaryStore(t);
  const folder = await temporaryFolder(t);
  const [file, code] = [join(folder, 'file'), join(folder, 'code.ts')];
  writeFileSync(file, 'one');
  writeFileSync(code, 'export const version = 1;');
  const first = editing('first', { from: { source: file }, edits: code, text: 'export const version = 2;' });
  const second = recipe<{ of: Target }>({
    from: pathToFileURL(code).href,
    kind: 'file',
    run: ({ out }) => writeFile(out, 'by the code as it was loaded'),
  })('second', { of: first });
  assert.deepEqual(await namesRun(second, store), ['first', 'second']);
  assert.deepEqual(await namesRun(second, store), ['second']);
});

const useSource = recipe<{ from: Source }>({
  from: import.meta.url,
  kind: 'file',
  run: ({ inputs, out }) => writeFile(out, `${inputs.from.digest} ${process.hrtime.bigint()}`),
});

/** Collects what is written to stderr while the test runs. */
function captureStderr(t: import('node:test').TestContext): () => string {
  const { write } = process.stderr;
  let written = '';
  process.stderr.write = (chunk: string | Uint8Array) => {
    written += chunk.toString();
    return true;
  };
  t.after(() => {
    process.stderr.write = write;
  });
  return () => written;
}

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fakeTree } from '../../sdk/testing.ts';
import { inSandbox } from './in-sandbox.ts';
import { isKeyedByModule } from './key.ts';
import { planBuild } from './plan.ts';
import { recipe, type Target } from './target.ts';
import { buildText, namesRun, reopen, temporaryFolder, temporaryStore } from './testing.ts';

/** Instead of bwrap: runs the script where it lies, with the folders it would see in variables. */
const BWRAP = `while [ "$1" != -- ]; do
  case $1 in
    --bind | --ro-bind) case $3 in /out) OUT=$2 ;; /build) BUILD=$2 ;; /build.sh) script=$2 ;; /data) DATA=$2 ;; esac; shift 3 ;;
    --setenv) case $2 in JOBS) JOBS=$3 ;; esac; shift 3 ;;
    *) shift ;;
  esac
done
shift 3
export OUT BUILD DATA JOBS
sh "$script" "$@"`;
const SCRIPT = 'echo "$1 $(cat "$DATA")" >"$OUT/result"';

const tools = recipe<{ bwrap: string }>({
  from: import.meta.url,
  kind: 'dir',
  run: async ({ inputs, out }) => void (await fakeTree(out, { bwrap: inputs.bwrap })),
});
/** A folder with one file. `salt` changes the key, not what comes out. */
const folder = recipe<{ text: string; mode: number; salt: number }>({
  from: import.meta.url,
  kind: 'dir',
  run: async ({ inputs, out }) => {
    await mkdir(out);
    await writeFile(join(out, 'file'), inputs.text, { mode: inputs.mode });
  },
});
const text = recipe<{ text: string }>({
  from: import.meta.url,
  kind: 'file',
  run: ({ inputs, out }) => writeFile(out, inputs.text),
});

test('only the content of the sandbox is part of the key', async (t) => {
  const store = await temporaryStore(t);
  const root = await temporaryFolder(t);
  const script = (name: string, body: string) => {
    writeFileSync(join(root, name), body);
    return { source: join(root, name) };
  };
  const same = {
    bwrap: BWRAP,
    tree: { text: 'gcc', mode: 0o644, salt: 0 },
    script: script('a', SCRIPT),
    argv: ['word'],
    mounts: { '/data': text('data', { text: 'data' }) } as Record<string, Target>,
    steps: 1,
    kept: undefined as { name: string; of: string[] } | undefined,
  };
  const target = ({ bwrap, tree, kept, ...rest }: typeof same) =>
    inSandbox('top', {
      ...rest,
      sandbox: tools('tools', { bwrap }),
      root: folder('tree', tree),
      ...(kept ? { kept } : {}),
    });
  const runs = async (change: Partial<typeof same>) =>
    (await namesRun(target({ ...same, ...change }), store)).includes('top');

  assert.equal(await buildText(target(same), store), 'word data\n');
  const nothing: Record<string, Partial<typeof same>> = {
    'nothing changed': {},
    'another bwrap': { bwrap: `# newer\n${BWRAP}` },
    'the tool tree is made anew, the same': { tree: { ...same.tree, salt: 1 } },
    'the script lies elsewhere': { script: script('b', SCRIPT) },
    'a longer progress bar': { steps: 9 },
    'a folder that is kept': { kept: { name: 'kept', of: ['/data'] } },
  };
  for (const [why, change] of Object.entries(nothing)) assert.equal(await runs(change), false, why);
  const all: Record<string, Partial<typeof same>> = {
    'the script': { script: script('c', `# more\n${SCRIPT}`) },
    arguments: { argv: ['word', 'more'] },
    'what is mounted': { mounts: { '/data': text('data', { text: 'other' }) } },
    'where it is mounted': { mounts: { ...same.mounts, '/more': text('data', { text: 'data' }) } },
    'a file of the tool tree': { tree: { ...same.tree, text: 'gcc 2' } },
  };
  const executable = { tree: { ...same.tree, mode: 0o755 } };
  all['a mode in the tool tree'] = executable;
  for (const [why, change] of Object.entries(all)) assert.equal(await runs(change), true, why);
  assert.equal(isKeyedByModule(target(same).recipe), false);
  assert.deepEqual(
    (await planBuild([target({ ...same, ...executable, argv: ['new'] })], { store: reopen(store) })).map(
      ({ reasons }) => reasons,
    ),
    [['input "argv" changed: ["word"] → ["new"]']],
  );
});

test('targets that share a workspace find its content again', async (t) => {
  const store = await temporaryStore(t);
  const root = await temporaryFolder(t);
  writeFileSync(join(root, 'build.sh'), 'echo "$1" >>"$BUILD/diary"; cp "$BUILD/diary" "$OUT/result"');
  const target = (word: string, data: string) =>
    inSandbox(word, {
      sandbox: tools('tools', { bwrap: BWRAP }),
      root: folder('tree', { text: '', mode: 0o644, salt: 0 }),
      script: { source: join(root, 'build.sh') },
      argv: [word],
      mounts: { '/data': text('data', { text: data }) },
      kept: { name: 'diary', of: ['/data'] },
      steps: 1,
    });
  assert.equal(await buildText(target('a', 'one'), store), 'a\n');
  assert.equal(await buildText(target('b', 'one'), store), 'a\nb\n');
  assert.equal(await buildText(target('c', 'two'), store), 'c\n');
});

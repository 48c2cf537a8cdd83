import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { Failure } from './lib/errors.ts';
import { fakeTree } from './testing.ts';
import { runCommand, runTool, toolCommand } from './tool.ts';

let root = '';
before(async () => {
  root = await fakeTree(await mkdtemp(join(tmpdir(), 'draisine-tool-')), {
    hello: 'echo "hello $1"; echo "a note" >&2',
    fail: 'echo "said on stdout"; echo "said on stderr" >&2; exit 3',
    quiet: 'echo "only on stdout"; exit 1',
    killed: 'kill -9 $$',
    copy: 'cat',
    deaf: 'exec <&-; exit 0',
    'deaf-and-bad': 'exec <&-; echo "no input wanted" >&2; exit 4',
    show: 'env | sort',
    endless: 'exec sleep 1000',
  });
});
after(() => rm(root, { recursive: true, force: true }));

test('a tool runs through the tree’s own linker, and inherits no environment', async () => {
  const { file, args } = toolCommand(root, 'hello', ['world']);
  assert.ok(file.startsWith(root));
  assert.equal(args[0], '--library-path');
  assert.equal((await runTool(root, 'hello', ['you'])).toString(), 'hello you\n');
  process.env.LEAK = 'of this machine';
  try {
    const shown = (await runTool(root, 'show', [], { env: { ADDED: '1' } })).toString();
    assert.ok(!shown.includes('LEAK'));
    for (const line of ['ADDED=1', 'HOME=/nonexistent', 'LC_ALL=C', 'TZ=UTC'])
      assert.ok(shown.split('\n').includes(line), line);
  } finally {
    delete process.env.LEAK;
  }
});

test('the error for a missing tool has its tree and a hint', () => {
  assert.throws(
    () => toolCommand(root, 'mkfs.none'),
    (error) =>
      error instanceof Failure &&
      /no mkfs\.none/.test(error.message) &&
      error.where === root &&
      /sdk\.ts/.test(error.hint ?? ''),
  );
});

test('a failing tool is a Failure with its exit code and its output', async () => {
  await assert.rejects(runTool(root, 'fail', ['--now']), (error) => {
    assert.ok(error instanceof Failure);
    assert.equal(error.message, 'fail failed (exit 3)\nsaid on stderr');
    assert.equal(error.where, 'fail --now');
    return true;
  });
  await assert.rejects(runTool(root, 'quiet', []), /only on stdout/);
  await assert.rejects(runTool(root, 'killed', []), /killed failed \(SIGKILL\)/);
  await assert.rejects(runCommand({ file: join(root, 'nothing'), args: [], env: {} }, 'nothing'), /ENOENT/);
});

test('its stderr is passed on piece by piece', async () => {
  let heard = '';
  await runTool(root, 'hello', [], {
    onStderr: (text) => {
      heard += text;
    },
  });
  assert.equal(heard, 'a note\n');
});

test('stdin: text, bytes, streams; the error of a broken stream is thrown', async () => {
  assert.equal((await runTool(root, 'copy', [], { stdin: 'text' })).toString(), 'text');
  assert.equal((await runTool(root, 'copy', [], { stdin: Buffer.from([1, 2]) })).length, 2);
  const long = Buffer.alloc(3 << 20, 'x');
  assert.equal((await runTool(root, 'copy', [], { stdin: Readable.from([long]) })).length, long.length);
  const broken = Readable.from(
    (function* () {
      yield Buffer.from('a');
      throw new Error('the archive broke off');
    })(),
  );
  await assert.rejects(runTool(root, 'copy', [], { stdin: broken }), /the archive broke off/);
});

test('the exit code of a tool that closes stdin early counts', async () => {
  const chunks = () => Readable.from(Array.from({ length: 64 }, () => Buffer.alloc(1 << 16)));
  for (const stdin of [chunks, () => Buffer.alloc(8 << 20)]) {
    assert.equal((await runTool(root, 'deaf', [], { stdin: stdin() })).length, 0);
    await assert.rejects(
      runTool(root, 'deaf-and-bad', [], { stdin: stdin() }),
      /deaf-and-bad failed \(exit 4\)\nno input wanted/,
    );
  }
});

test('an aborted tool is killed', async () => {
  const abort = new AbortController();
  const running = runTool(root, 'endless', [], { signal: abort.signal });
  setTimeout(() => abort.abort(), 50);
  await assert.rejects(running, (error) => error instanceof Error && error.name === 'AbortError');
});

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { plainText } from '../harness/qemu/console.ts';
import { poll } from '../harness/qemu/wait.ts';
import { runRepl } from './repl.ts';

function fakeBox() {
  const asked: string[] = [];
  const succeed = async (script: string): Promise<string> => {
    asked.push(script);
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (script === 'false') throw new Failure('box: exit 1 of: false');
    return `said by ${script}`;
  };
  return { asked, succeed };
}

async function script(...lines: string[]): Promise<{ code: number; said: string; asked: string[] }> {
  const box = fakeBox();
  const input = new PassThrough();
  const output = new PassThrough();
  const said = text(output);
  input.end(`${lines.join('\n')}\n`);
  const code = await runRepl({ box }, { input, output, errors: output });
  output.end();
  return { code, said: await said, asked: box.asked };
}

test('a script waits for each command, keeps variables and sees all machines', async () => {
  const { code, said, asked } = await script(
    "const kernel = await box.succeed('uname')",
    "assert.equal(kernel, 'said by uname')",
    'for (const machine of Object.values(machines)) {',
    "  await machine.succeed('second')",
    '}',
  );
  assert.deepEqual({ code, said }, { code: 0, said: '' });
  assert.deepEqual(asked, ['uname', 'second']);
});

test('a script ends at its first error: a Failure shows its message, any other error its line', async () => {
  const failing = await script("await box.succeed('false')", "await box.succeed('after')");
  assert.deepEqual(failing, { code: 1, said: 'error: box: exit 1 of: false\n', asked: ['false'] });
  const wrong = await script('', 'nobody.there');
  assert.equal(wrong.code, 1);
  assert.match(wrong.said, /ReferenceError: nobody is not defined[\s\S]*stdin:2/);
  const broken = await script('const = 1');
  assert.equal(broken.code, 1);
  assert.match(broken.said, /SyntaxError/);
});

test('on a terminal, lines run one by one with await and a history; it continues after an error and ends at Ctrl-D', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'repl-test-'));
  const saved = process.env.DRAISINE_CACHE;
  process.env.DRAISINE_CACHE = dir;
  try {
    const input = Object.assign(new PassThrough(), { isTTY: true });
    const output = new PassThrough();
    let said = '';
    output.on('data', (bytes: Buffer) => {
      said += plainText(bytes.toString());
    });
    const until = async (pattern: RegExp): Promise<unknown> =>
      await poll(`${pattern} in ${said}`, async () => pattern.exec(said) ?? undefined, { timeoutMs: 10_000 });
    const code = runRepl({ box: fakeBox() }, { input, output, errors: output });
    await until(/kola> $/);
    input.write("await box.succeed('false')\n");
    await until(/^Uncaught error: box: exit 1 of: false$/m);
    input.write("const kernel = await box.succeed('uname')\nkernel.toUpperCase()\n");
    await until(/'SAID BY UNAME'/);
    input.write('\x04');
    assert.equal(await code, 0);
    await poll(
      'the history',
      async () => /uname/.test(await readFile(join(dir, 'kola/repl-history'), 'utf8')) || undefined,
      { timeoutMs: 5000 },
    );
  } finally {
    if (saved === undefined) delete process.env.DRAISINE_CACHE;
    else process.env.DRAISINE_CACHE = saved;
    await rm(dir, { recursive: true, force: true });
  }
});

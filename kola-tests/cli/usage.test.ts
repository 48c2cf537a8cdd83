import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';

/** What `./draisine` says, and its exit code. */
async function called(...words: readonly string[]): Promise<{ code: unknown; said: string }> {
  return await new Promise((done) => {
    execFile(join(CHECKOUT, 'draisine'), words, (error, _out, said) =>
      done({ code: error?.code ?? 0, said }),
    );
  });
}

test('wrong usage names the command that shows the usage', async () => {
  for (const [words, hint] of [
    [['why'], './draisine why --help'],
    [['-q', 'ignition', 'validate'], './draisine ignition validate --help'],
    [['kola', 'rnu'], './draisine kola --help'],
    [['frobnicate'], './draisine --help'],
  ] as const) {
    const { code, said } = await called(...words);
    assert.equal(code, 2, said);
    assert.ok(said.endsWith(`  hint: ${hint}\n`), said);
    const [, ...help] = hint.split(' ');
    assert.equal((await called(...help)).code, 0, hint);
  }
});

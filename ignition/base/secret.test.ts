import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { resolveSecrets, type SecretSource, secret } from './secret.ts';

let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'draisine-secret-'));
  writeFileSync(join(folder, 'key'), 'hunter2\n');
});
after(() => rmSync(folder, { recursive: true, force: true }));

const read = (source: SecretSource): unknown => resolveSecrets(secret(source), folder).value;

test('a file and a command, without the newline at the end', () => {
  assert.equal(read({ file: 'key' }), 'hunter2');
  assert.equal(read({ command: ['printf', 'a\\nb\\n'] }), 'a\nb');
  assert.equal(read({ file: join(folder, 'key') }), 'hunter2');
});

test('the content of a file keeps every byte', () => {
  const { value, count } = resolveSecrets(
    { a: [{ ...secret({ file: 'key' }), as: 'data-url' }], b: 1 },
    folder,
  );
  assert.deepEqual([value, count], [{ a: ['data:,hunter2%0A'], b: 1 }, 1]);
});

test('a failed command is named; its output is not shown', () => {
  const failing = (): unknown => read({ command: ['sh', '-c', 'echo hunter2; exit 3'] });
  assert.throws(failing, (error: Failure) => {
    assert.match(error.message, /exit status 3/);
    assert.doesNotMatch(`${error.message}${error.where}${error.hint}${String(error.cause)}`, /hunter2/);
    return error instanceof Failure;
  });
  assert.throws(() => read({ command: ['no-such-program-here'] }), /did not run/);
  assert.throws(() => read({ command: ['true'] }), /printed nothing/);
});

test('a file outside the folder must have an absolute path', () => {
  assert.throws(() => read({ file: '../key' }), /outside/);
  const hint = `put it into the folder ${folder}, or write an absolute path`;
  assert.throws(() => read({ file: 'none' }), {
    exitCode: 2,
    message: 'secret: local file none does not exist',
    hint,
  });
});

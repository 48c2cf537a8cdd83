import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../draisine.ts', import.meta.url));
const COMMAND = [process.execPath, '--import', import.meta.resolve('tsx'), CLI, '-h'];

/** The command line in a shell that puts `around` it; its exit status on standard output. */
function shell(around: string) {
  const { stdout, stderr } = spawnSync('bash', ['-c', around, 'bash', ...COMMAND], { encoding: 'utf8' });
  return { stdout: stdout.trim(), stderr };
}

test('after the end of the reader the program ends silently, on a full disk with one line; neither is a success', () => {
  // The reader is gone before the first byte.
  const left = shell('{ sleep 0.2; exec "$@"; } | true; echo "$PIPESTATUS"');
  assert.deepEqual(left, { stdout: '1', stderr: '' });
  const full = shell('"$@" >/dev/full; echo $?');
  assert.equal(full.stdout, '1');
  assert.match(full.stderr, /^error: cannot write to standard output: ENOSPC: .*\n$/);
  const deaf = shell('{ sleep 0.2; exec "$@" nope 2>&1; } | true; echo "$PIPESTATUS"');
  assert.deepEqual(deaf, { stdout: '1', stderr: '' });
});

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../draisine.ts', import.meta.url));
const COMMAND = [process.execPath, '--import', import.meta.resolve('tsx'), CLI, '-h'];

/** Runs the command line within the shell script `around`, which prints its exit status. */
function shell(around: string) {
  const { stdout, stderr } = spawnSync('bash', ['-c', around, 'bash', ...COMMAND], { encoding: 'utf8' });
  return { stdout: stdout.trim(), stderr };
}

test('the program fails without a message if its reader has ended, and with one line on a full disk', () => {
  // The reader is gone before the first byte.
  const left = shell('{ sleep 0.2; exec "$@"; } | true; echo "$PIPESTATUS"');
  assert.deepEqual(left, { stdout: '1', stderr: '' });
  const full = shell('"$@" >/dev/full; echo $?');
  assert.equal(full.stdout, '1');
  assert.match(full.stderr, /^error: cannot write to standard output: ENOSPC: .*\n$/);
  const deaf = shell('{ sleep 0.2; exec "$@" nope 2>&1; } | true; echo "$PIPESTATUS"');
  assert.deepEqual(deaf, { stdout: '1', stderr: '' });
});

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { sha256 } from '../../sdk/lib/files.ts';
import { temporaryFolder } from './testing.ts';

interface Said {
  readonly ran: readonly string[];
  readonly text: string;
  readonly errors: readonly string[];
}

const ALL = 14;

/** What crash-child.ts must give, computed here on its own. */
function expectedText(): string {
  let content = '';
  for (let n = 1; n <= 12; n++) content = `${content}${n}\n`.padEnd(1000 * n);
  return sha256(content);
}

function start(t: TestContext, root: string, dawdle: number): ChildProcess {
  const child = spawn(
    process.execPath,
    [
      '--import',
      fileURLToPath(import.meta.resolve('tsx')),
      join(import.meta.dirname, 'crash-child.ts'),
      root,
      String(dawdle),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  t.after(() => child.kill('SIGKILL'));
  return child;
}

async function finish(
  child: ChildProcess,
): Promise<{ code: number | null; stderr: string; said: Said | undefined }> {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, stderr, said: stdout === '' ? undefined : (JSON.parse(stdout) as Said) };
}

/** Waits until the child has begun to build. */
async function whenBuilding(root: string): Promise<void> {
  for (;;) {
    if (sees(join(root, 'tmp'))) return;
    await sleep(5);
  }
}

function sees(folder: string): boolean {
  try {
    return readdirSync(folder).length > 0;
  } catch {
    return false; // not made yet
  }
}

test('kill -9 at any moment: the next run finishes with the right bytes', async (t) => {
  const root = await temporaryFolder(t);
  let kills = 0;
  for (let round = 0; round < 12; round++) {
    const child = start(t, root, 10);
    const done = finish(child);
    await Promise.race([whenBuilding(root), done]);
    await sleep((round * 37) % 120);
    if (child.kill('SIGKILL')) kills++;
    const { said } = await done;
    if (said) break; // it was quicker
  }
  assert.ok(kills > 0);
  const { said, stderr } = await finish(start(t, root, 0));
  assert.deepEqual(said?.errors, []);
  assert.equal(said?.text, expectedText());
  assert.equal(stderr, '', 'nothing was damaged');
  assert.deepEqual(readdirSync(join(root, 'tmp')), [], 'what the killed ones left is swept');
  assert.deepEqual((await finish(start(t, root, 0))).said?.ran, []);
});

test('two processes at once: the same bytes, and nothing made twice', async (t) => {
  const root = await temporaryFolder(t);
  const both = await Promise.all([finish(start(t, root, 20)), finish(start(t, root, 20))]);
  for (const { said, stderr } of both) {
    assert.equal(said?.text, expectedText());
    assert.deepEqual(said?.errors, []);
    assert.equal(stderr, '');
  }
  const ran = both.flatMap(({ said }) => said?.ran ?? []);
  assert.equal(ran.length, ALL, ran.join(' '));
  assert.equal(new Set(ran).size, ALL);
});

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`${signal} ends the build with ${code} and leaves nothing half-made`, async (t) => {
    const root = await temporaryFolder(t);
    const child = start(t, root, 400);
    const done = finish(child);
    await whenBuilding(root);
    child.kill(signal);
    const ended = await done;
    assert.equal(ended.code, code);
    assert.equal(ended.said, undefined);
    assert.deepEqual(readdirSync(join(root, 'tmp')), []);
    assert.deepEqual(readdirSync(join(root, 'locks')), []);
  });
}

test('a second SIGINT ends it at once', async (t) => {
  const root = await temporaryFolder(t);
  const child = start(t, root, 60_000);
  const done = finish(child);
  await whenBuilding(root);
  child.kill('SIGINT');
  await sleep(100);
  child.kill('SIGINT');
  const began = Date.now();
  assert.equal((await done).code, 130);
  assert.ok(Date.now() - began < 5000);
  assert.deepEqual(readdirSync(join(root, 'tmp')), []);
});

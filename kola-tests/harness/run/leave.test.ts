import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, test } from 'node:test';

/** Inside a test process, node:test's run() takes itself for a nested one and does nothing. */
delete process.env.NODE_TEST_CONTEXT;
/** run() gives the options of this process to the processes of the tests, which import TypeScript. */
process.execArgv = ['--import', import.meta.resolve('tsx')];

test('a suite whose tests leave something open ends all the same, with every report', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'leave-test-'));
  try {
    const file = join(dir, 'suite.mjs');
    await writeFile(
      file,
      `import { describe, test } from 'node:test';
       import { createServer } from 'node:net';
       import { leaveWhenDone } from ${JSON.stringify(new URL('leave.ts', import.meta.url).href)};
       describe('suite', () => {
         leaveWhenDone();
         test('leaks', () => new Promise((resolve) => createServer().listen(0, resolve)));
         test('long', (t) => { for (let line = 0; line < 200; line += 1) t.diagnostic('x'.repeat(5000)); });
         test('bad', () => { throw new Error('x'.repeat(300_000) + ' the end'); });
       });`,
    );
    const ended: string[] = [];
    const sums: string[] = [];
    let lines = 0;
    let message = '';
    for await (const { type, data } of run({
      files: [file],
      concurrency: 1,
      timeout: 60_000,
    }) as AsyncIterable<{
      type: string;
      data: { name: string; nesting: number; message: string; details: { error: Error } };
    }>) {
      if (type === 'test:pass' || type === 'test:fail') ended.push(`${data.name} ${type}`);
      if (type === 'test:fail' && data.name === 'bad') message = String(data.details.error.cause);
      if (type === 'test:diagnostic' && data.nesting > 0) lines += 1;
      if (type === 'test:diagnostic' && data.nesting === 0) sums.push(data.message);
    }
    assert.deepEqual(ended, ['leaks test:pass', 'long test:pass', 'bad test:fail', 'suite test:fail']);
    assert.equal(lines, 200);
    assert.match(message, / the end$/);
    assert.ok(sums.includes('pass 2') && sums.includes('fail 1'), sums.join());
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

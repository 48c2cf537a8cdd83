import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { type Outcome, reportStages } from './outcome.ts';
import type { Stage } from './stages.ts';

/** Inside a test process, node:test's run() assumes that it is nested, and does nothing. */
delete process.env.NODE_TEST_CONTEXT;

async function report(
  stages: (dir: string) => Promise<Stage[]>,
): Promise<{ tap: string; failed: number; names: string[] }> {
  const dir = await mkdtemp(join(tmpdir(), 'stages-test-'));
  try {
    const out = new PassThrough();
    const said = text(out);
    const { failed, tests } = await reportStages(await stages(dir), out as unknown as NodeJS.WriteStream);
    out.end();
    return { tap: await said, failed, names: tests.map(({ name }) => name) };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

const testFile = async (dir: string, name: string, code: string): Promise<string> => {
  await writeFile(join(dir, name), `import { describe, test } from 'node:test';\n${code}`);
  return join(dir, name);
};

test('several stages give one plan, one count and one numbering', async () => {
  const { tap, failed, names } = await report(async (dir) => [
    {
      name: 'a',
      files: [await testFile(dir, 'a.mjs', "test('one', () => {}); test('two', () => {});")],
      concurrency: 1,
    },
    {
      name: 'b',
      files: [
        await testFile(
          dir,
          'b.mjs',
          "describe('s', () => { test('three ' + process.env.STAGE, () => {}); });",
        ),
      ],
      concurrency: 1,
      before: { name: 'prepare', run: async () => ({ STAGE: 'b' }) },
    },
  ]);
  assert.equal(failed, 0);
  assert.deepEqual(names, ['one', 'two', 'three b']);
  assert.match(tap, /^ok 3 - s$/m);
  assert.match(tap, /^1\.\.3$/m);
  assert.match(
    tap,
    /# tests 3\n# suites 1\n# pass 3\n# fail 0\n# cancelled 0\n# skipped 0\n# todo 0\n# cached 0\n# duration_ms [\d.]+\n$/,
  );
  assert.equal(tap.match(/^# tests/gm)?.length, 1);
  assert.equal(process.env.STAGE, undefined);
});

test('a failed test fails the run; a failed preparation fails it too, and its tests are not run', async () => {
  const { tap, failed, names } = await report(async (dir) => [
    {
      name: 'a',
      files: [await testFile(dir, 'a.mjs', "test('bad', () => { throw new Error('why'); });")],
      concurrency: 1,
    },
    {
      name: 'b',
      files: [await testFile(dir, 'b.mjs', "test('never', () => {});")],
      concurrency: 1,
      before: { name: 'build n100', run: () => Promise.reject(new Error('no mirror')) },
    },
  ]);
  assert.equal(failed, 2);
  assert.deepEqual(names, ['bad', 'build n100']);
  assert.match(tap, /^not ok 2 - build n100$/m);
  assert.match(tap, /no mirror/);
  assert.match(tap, /# tests 2\n# suites 0\n# pass 0\n# fail 2\n/);
});

test('the lines of beforeSummary come before the summary, which is printed even if beforeSummary fails', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'stages-test-'));
  try {
    const code =
      "describe('suite', () => { test('good', () => {}); test('held', { skip: 'why' }, () => {}); test('bad', () => { throw 1; }); });";
    const stage = { name: 's', files: [await testFile(dir, 'a.mjs', code)], concurrency: 1 };
    const out = new PassThrough();
    const said = text(out);
    let told: Outcome | undefined;
    const hidden: number[] = [];
    const live = { see: () => {}, hide: () => hidden.push(1), end: () => hidden.push(2) };
    await assert.rejects(
      reportStages([stage], out as unknown as NodeJS.WriteStream, {
        live,
        whenRun: async (outcome) => {
          told = { ...outcome, tests: [...outcome.tests] };
          throw new Error('the disk is full');
        },
      }),
      /the disk is full/,
    );
    out.end();
    assert.equal(told?.failed, 1, 'the suite was counted too');
    assert.deepEqual(
      told?.tests.map(({ name, passed, skipped, file }) => [name, passed, skipped, file?.endsWith('/a.mjs')]),
      [
        ['good', true, undefined, true],
        ['held', true, 'why', true],
        ['bad', false, undefined, true],
      ],
    );
    assert.match(await said, /# tests 3\n# suites 1\n# pass 1\n# fail 1\n[\s\S]*# duration_ms [\d.]+\n$/);
    assert.equal(hidden.filter((what) => what === 2).length, 1);
    assert.ok(hidden.includes(1));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test('a test that passed before is not run; it is reported as cached with date and duration, and counted separately', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'stages-test-'));
  try {
    const files = [await testFile(dir, 'a.mjs', "test('ran ' + process.env.WHICH, () => {});")];
    const pass = { at: '2026-11-29T12:00:00.000Z', ms: 12_345, tests: 3 };
    const seen: string[] = [];
    const stage: Stage = {
      name: 's',
      files: [...files, join(dir, 'not-there.mjs')],
      concurrency: 1,
      before: { name: 'prepare', run: async () => ({ WHICH: 'first' }) },
      verdicts: {
        known: async (_all, env) => ({
          files,
          env: { WHICH: `${env.WHICH}, then second` },
          cached: [{ name: 'old.test.ts', file: '/x/old.test.ts', pass }],
        }),
        see: ({ type, data }) => void (type === 'test:pass' && seen.push(data.name ?? '')),
        settle: async () => void seen.push('settled'),
      },
    };
    const tell = async (terminal: boolean): Promise<{ text: string; outcome: Outcome }> => {
      const out = Object.assign(new PassThrough(), { isTTY: terminal });
      const said = text(out);
      const outcome = await reportStages([stage], out as unknown as NodeJS.WriteStream, {
        whenRun: async () => ['left out: 1'],
      });
      out.end();
      return { text: await said, outcome };
    };
    const log = await tell(false);
    assert.match(log.text, /^ok 1 - old\.test\.ts$/m);
    assert.match(log.text, /^# cached: 3 tests passed on 2026-11-29 12:00 UTC in 12 s$/m);
    assert.match(log.text, /^ok 2 - ran first, then second$/m);
    assert.match(log.text, /^1\.\.2\n# left out: 1\n# tests 1\n# suites 0\n# pass 1\n[\s\S]*# cached 3\n/m);
    assert.deepEqual(seen, ['ran first, then second', 'settled']);
    assert.deepEqual(
      log.outcome.tests.map(({ name, ms, stage: of, cached }) => [name, ms > 0, of, cached?.ms]),
      [
        ['old.test.ts', true, 's', 12_345],
        ['ran first, then second', log.outcome.tests[1]?.ms !== 0, 's', undefined],
      ],
    );
    assert.deepEqual(
      log.outcome.stages.map(({ name }) => name),
      ['s'],
    );
    const person = await tell(true);
    assert.match(person.text, /old\.test\.ts \(cached: 3 tests passed on 2026-11-29 12:00 UTC in 12 s\)/);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test('a stage without tests to run is not started', async () => {
  const pass = { at: '2026-11-29T12:00:00.000Z', ms: 1, tests: 1 };
  const { tap, failed, names } = await report(async (dir) => [
    {
      name: 's',
      files: [await testFile(dir, 'a.mjs', "test('bad', () => { throw 1; });")],
      concurrency: 1,
      verdicts: {
        known: async (files) => ({ files: [], cached: [{ name: 'good', file: files[0] ?? '', pass }] }),
        see: () => assert.fail('nothing was run'),
        settle: async () => {},
      },
    },
  ]);
  assert.equal(failed, 0);
  assert.deepEqual(names, ['good']);
  assert.match(tap, /^1\.\.1$/m);
});

test('a file that hangs, and a process that dies behind its tests, fail the run', async () => {
  const one = (code: string, limitMs: number) => async (dir: string) => [
    { name: 's', files: [await testFile(dir, 'a.mjs', code)], concurrency: 1, limitMs },
  ];
  const codes = {
    hangs: "test('good', () => {}); test('hangs', () => new Promise(() => setInterval(() => {}, 1000)));",
    exits: "test('good', () => { setTimeout(() => process.exit(3), 200); });",
    killed: "test('good', () => { setTimeout(() => process.kill(process.pid, 'SIGKILL'), 200); });",
    'killed after a test that may fail':
      "test('later', { todo: true }, () => { throw 1; }); test('good', () => { setTimeout(() => process.kill(process.pid, 'SIGKILL'), 500); });",
  };
  for (const [how, code] of Object.entries(codes)) {
    const { failed, tap } = await report(one(code, how === 'hangs' ? 2000 : 60_000));
    assert.ok(failed > 0, `${how}:\n${tap}`);
  }
});

test('a test that fails in a module that its file imports is one failure', async () => {
  const { failed, names } = await report(async (dir) => {
    await testFile(dir, 'module.mjs', "test('bad', () => { throw 1; });");
    return [{ name: 'a', files: [await testFile(dir, 'a.mjs', "import './module.mjs';")], concurrency: 1 }];
  });
  assert.deepEqual({ failed, names }, { failed: 1, names: ['bad'] });
});

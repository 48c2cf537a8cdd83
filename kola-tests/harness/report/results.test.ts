import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type TestResult, writeResult } from './result.ts';
import { bisectVerdict, resultsOf } from './results.ts';

const left = (test: string, passed: boolean): TestResult => ({
  ...{ test, passed, upMs: 1, totalMs: 7, fallbacks: [] },
  ...(passed ? {} : { error: 'with evidence' }),
});

test('results of tests are read; a missing result, or one of another run, is a failure of the harness', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'results-test-'));
  try {
    for (const result of [left('a.failed', false), left('a.passed', true), left('a.stale', true)])
      await writeResult(dir, result);
    const ended = [
      { name: 'load file:///x/../../etc', passed: false, ms: 2, error: 'a syntax error' },
      { name: 'a.stale', passed: false, ms: 3, error: 'too little memory' },
      { name: 'a.passed', passed: true, ms: 9 },
      { name: 'a.failed', passed: false, ms: 9, error: 'short' },
      { name: 'a.denied', passed: true, ms: 0, skipped: 'a bug' },
    ];
    const own = { fallbacks: [], trouble: true as const };
    assert.deepEqual(await resultsOf(dir, ended), [
      { test: 'a.denied', passed: true, totalMs: 0, fallbacks: [], skipped: 'a bug' },
      left('a.failed', false),
      left('a.passed', true),
      { ...own, test: 'a.stale', passed: false, totalMs: 3, error: 'too little memory' },
      { ...own, test: 'load file:///x/../../etc', passed: false, totalMs: 2, error: 'a syntax error' },
    ]);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test('git bisect: a failed test is bad in any case; a commit that cannot be tested is neither', () => {
  const passed = left('a.b', true);
  const failed = left('a.c', false);
  const trouble: TestResult = { ...failed, trouble: true };
  const skipped: TestResult = { ...passed, skipped: 'a bug' };
  assert.equal(bisectVerdict([passed, skipped]), 0);
  assert.equal(bisectVerdict([passed, trouble, failed]), 1);
  assert.equal(bisectVerdict([passed, trouble]), 125);
  assert.equal(bisectVerdict([skipped]), 125);
  assert.equal(bisectVerdict([]), 125);
});

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  checkPublished,
  githubSteps,
  gitlabSteps,
  runSteps,
  startRunner,
  systemdSteps,
  writeResults,
} from './pipeline-testing.ts';

test('the pipeline for GitHub, step by step, against nginx and a git server', async (t) => {
  const runner = await startRunner(t);
  runSteps(runner, githubSteps(), (shard) => `results/results-${shard}`);
  checkPublished(runner);
  assert.match(readFileSync(runner.gh, 'utf8'), /^pr\ncreate\n--fill\n--body-file\nnotes\.md\n$/);
});

test('the pipeline for GitLab, step by step; the push asks for a merge request that has the notes', async (t) => {
  const runner = await startRunner(t);
  runSteps(runner, gitlabSteps(), (shard) => `out/report-${shard}`);
  checkPublished(runner);
  assert.equal(readFileSync(join(runner.origin, 'push-option'), 'utf8'), 'merge_request.create\n');
  const message = execFileSync('git', ['log', '-1', '--format=%B'], { cwd: runner.work, encoding: 'utf8' });
  assert.match(message, /^packages as of .*\n\n# tiny 2026\./);
});

test('the service for systemd, step by step: each night a release comes one channel higher, when its time is over', async (t) => {
  const runner = await startRunner(t);
  const { must, work, url } = runner;
  must('./draisine release build "$IMAGE" --json > release.json');
  writeResults(work, (shard) => `results/${shard}`);
  const folder = '"$(node -p \'require("./release.json")[0].folder\')"';
  must(`./draisine release sign ${folder} && ./draisine release report ${folder} results/*/results.json`);
  must(`./draisine channel set "$BASE" alpha ${folder}`);
  runSteps(runner, systemdSteps());
  const versions = () =>
    (
      JSON.parse(must(`./draisine channel show ${url}/base --image tiny --json`)) as { version?: string }[]
    ).map(({ version }) => version !== undefined);
  assert.deepEqual(versions(), [true, false, false, false], 'alpha has it, and it is too early for beta');
  for (const name of ['beta', 'stable'])
    must(`./draisine channel init "$BASE" tiny --channel ${name} --min-hours 0`);
  const nightly = systemdSteps().map((step) => ({ ...step, tolerated: false }));
  runSteps(runner, nightly.slice(1));
  assert.deepEqual(versions(), [true, true, false, false]);
  runSteps(runner, nightly);
  assert.deepEqual(versions(), [true, true, true, false]);
});

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  checkPublished,
  githubSteps,
  gitlabSteps,
  runSteps,
  type Step,
  startRunner,
  systemdSteps,
} from './pipeline-testing.ts';

test('every step of the three pipelines is a call of ./draisine or git, and every job of GitLab is one of GitHub', () => {
  const all = [...githubSteps(), ...gitlabSteps(), ...systemdSteps()];
  for (const { command } of all) assert.match(command, /^(\.\/draisine|git) /);
  const verbs = (steps: readonly Step[]) =>
    steps.map(({ job, command }) => `${job}: ${/^\S+ (\S+ \S+)/.exec(command)?.[1]}`);
  assert.deepEqual(verbs(gitlabSteps()), verbs(githubSteps()));
  const nightly = githubSteps().filter(({ job }) => job === 'nightly');
  assert.deepEqual(verbs(systemdSteps()), verbs(nightly));
});

test('the pipeline for GitHub, step by step, against nginx and a git server', async (t) => {
  const runner = await startRunner(t);
  runSteps(runner, githubSteps(), (shard) => `results/results-${shard}`);
  checkPublished(runner);
  assert.match(readFileSync(runner.gh, 'utf8'), /^pr\ncreate\n--fill\n--body-file\nnotes\.md\n$/);
});

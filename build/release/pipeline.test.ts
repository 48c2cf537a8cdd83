import assert from 'node:assert/strict';
import { test } from 'node:test';
import { githubSteps, gitlabSteps, type Step, systemdSteps } from './pipeline-testing.ts';

/* pipeline.long.test.ts runs the steps. */

test('every step of the three pipelines is a call of ./draisine or git, and every job of GitLab is one of GitHub', () => {
  const all = [...githubSteps(), ...gitlabSteps(), ...systemdSteps()];
  for (const { command } of all) assert.match(command, /^(\.\/draisine|git) /);
  const verbs = (steps: readonly Step[]) =>
    steps.map(({ job, command }) => `${job}: ${/^\S+ (\S+ \S+)/.exec(command)?.[1]}`);
  assert.deepEqual(verbs(gitlabSteps()), verbs(githubSteps()));
  const nightly = githubSteps().filter(({ job }) => job === 'nightly');
  assert.deepEqual(verbs(systemdSteps()), verbs(nightly));
});

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { NEXT } from '../disk/testing.ts';
import { quickjsCommand, testFolder } from '../io/testing.ts';
import { recordFailure, recordSuccess } from '../replicate/state.ts';
import { OLD } from '../trial/testing.ts';
import { changeState } from '../update/state.ts';
import { setting } from './testing.ts';

test('wrong usage is exit code 2, with the right usage', () => {
  const { draisine } = setting();
  assert.equal(draisine().code, 2);
  assert.match(draisine('--help').out, /status .*the running, staged/);
  for (const [words, message] of [
    [['nope'], /there is no verb nope/],
    [['status', '--fast'], /unknown option --fast/],
    [['stage', 'latest'], /a version such as 2026\.1129\.0, not latest/],
    [['stage', NEXT, NEXT], /one version/],
    [['check', '--base'], /--base needs a value/],
    [['hold'], /a hold has a name/],
    [['hold', 'x', '--for', 'ever'], /a duration such as 90m/],
    [['release-hold'], /name the hold/],
  ] as const) {
    const { code, err } = draisine(...words);
    assert.equal(code, 2, err);
    assert.match(err, message);
  }
});

test('the bundle is that command line, in QuickJS, within its memory', async (t) => {
  const folder = testFolder(t);
  const run = async (...args: string[]) => {
    const { file, args: words, env } = await quickjsCommand(folder, undefined, args);
    return spawnSync(file, words, { env, encoding: 'utf8' });
  };
  const help = await run('--help');
  assert.deepEqual([help.status, help.stderr], [0, '']);
  assert.match(help.stdout, /release-hold NAME/);
  const wrong = await run('nope');
  assert.deepEqual([wrong.status, wrong.stderr], [2, 'draisine: there is no verb nope; see --help\n']);
});

test('status shows transfers to other machines, and their failures', () => {
  const { box, draisine, status } = setting();
  const sent = { dataset: 'tank/a', user: 'u', host: 'other.example', port: 22, target: 't/a', keep: 3 };
  box.put({ '/etc/draisine/replicate/a.json': JSON.stringify(sent) });
  assert.match(draisine('status').out, /sent {6}tank\/a to other\.example: nothing yet$/m);
  recordSuccess(box, 'a', 'tank/a@x');
  recordFailure(box, 'a', 'the target is full');
  assert.match(draisine('status').out, /other\.example: 20\S+Z; the last run failed: draisine health$/m);
  assert.equal(status().replications[0]?.failure, 'the target is full');
  box.put({ '/etc/draisine/replicate/b.json': '{"dataset": ' });
  assert.match(draisine('status').out, /sent {6}b to an unknown machine: nothing yet; the last run failed/);
  assert.match(status().replications[1]?.failure ?? '', /replicate\/b\.json/);
});

test('status does not show a rejected release once a newer one runs', () => {
  const { box, draisine } = setting();
  const reject = (version: string) =>
    changeState(box, () => ({ rejected: [{ version, reason: 'x', since: 0, evidence: undefined }] }));
  reject('2001.101.0');
  assert.doesNotMatch(draisine('status').out, /was rejected/);
  reject('2099.101.0');
  assert.match(draisine('status').out, /2099\.101\.0 was rejected: x/);
});

test('status does not depend on disks that do not answer', () => {
  const { box, draisine, status } = setting();
  box.program('smartctl', () => ({ code: 124 }));
  const { code, out } = draisine('status');
  assert.equal(code, 0);
  assert.match(out, /^disk {6}smartctl ended with 124$/m);
  assert.equal(status().version, OLD);
});

test('nothing to commit', () => {
  const { draisine } = setting();
  assert.match(draisine('commit').err, /no release is on trial/);
});

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import { Command } from 'commander';
import { initChannels, setChannel, withdrawRelease } from '../release/channel/edit.ts';
import { world } from '../release/channel/testing.ts';
import { channelHalt, channelPromote, channelShow, channelWithdraw } from './channel.ts';
import { register } from './release-verbs.ts';

test('show: the usual channels of a folder, then its own ones', async (t) => {
  const w = await world(t);
  await initChannels({ ...w.at(), image: 'box' }, ['canary'], { rollout: 0 });
  const said: string[] = [];
  mock.method(process.stdout, 'write', (text: string) => said.push(text));
  t.after(() => mock.restoreAll());
  await channelShow(w.base, { root: join(w.keys.folder, 'root.json'), json: true });
  mock.restoreAll();
  const shown = JSON.parse(said.join('')) as readonly { channel: string }[];
  assert.deepEqual(
    shown.map(({ channel }) => channel),
    ['alpha', 'beta', 'stable', 'lts', 'canary'],
  );
});

test('show: a withdrawn release is no open one', async (t) => {
  const w = await world(t);
  await setChannel(w.at(), 'alpha', await w.release({ version: '2026.1129.0' }));
  await withdrawRelease(w.at(), '2026.1129.0', 'it loses data');
  const said: string[] = [];
  mock.method(process.stdout, 'write', (text: string) => said.push(text));
  t.after(() => mock.restoreAll());
  await channelShow(w.base, { root: join(w.keys.folder, 'root.json') });
  mock.restoreAll();
  assert.match(said.join(''), /2026\.1129\.0 .*withdrawn: it loses data/);
});

test('a begin without a zone or in the past, and an empty reason, are bad input', async () => {
  const begin = (begins: string, message: RegExp) =>
    assert.rejects(channelPromote('/nowhere', 'alpha', 'beta', { begins }), { exitCode: 2, message });
  for (const text of ['5', '2026-12-01', '2026-12-01T02:00', 'tomorrow', '2026-13-01T00:00:00Z'])
    await begin(text, /--begins is not a time/);
  await begin('2025-12-01T02:00:00Z', /--begins is in the past/);
  for (const verb of [channelHalt, channelWithdraw])
    await assert.rejects(verb('/nowhere', 'alpha', ' ', {}), { exitCode: 2, message: /needs a reason/ });
});

test('numbers of the verbs of channel: hours are whole and at most a year, a share is at most 1', async () => {
  const parse = async (...words: string[]) => {
    const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
    register(program);
    for (const each of program.commands)
      for (const verb of each.commands) verb.exitOverride().configureOutput({ writeErr: () => {} });
    await program.parseAsync(['channel', ...words], { from: 'user' });
  };
  for (const [words, message] of [
    [['promote', '/nowhere', 'alpha', 'beta', '--hours', '1.5'], /whole number/],
    [['promote', '/nowhere', 'alpha', 'beta', '--hours', '9000'], /from 0 to 8760/],
    [['init', '/nowhere', 'box', '--channel', 'x', '--max-failed', '2'], /from 0 to 1/],
    [['init', '/nowhere', 'box', '--channel', 'x', '--min-hours', '-1'], /from 0 on/],
    [['prune', '/nowhere', '--keep', 'all'], /from 0 on/],
  ] as const)
    await assert.rejects(parse(...words), { message });
});

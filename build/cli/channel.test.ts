import assert from 'node:assert/strict';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import { initChannels } from '../release/channel/edit.ts';
import { world } from '../release/channel/testing.ts';
import { channelShow } from './channel.ts';

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

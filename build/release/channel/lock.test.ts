import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setChannel } from './edit.ts';
import { whilePublishing } from './lock.ts';
import { snapshot, world } from './testing.ts';

test('two publishers: the second loses and changes nothing; one that was killed does not stand in the way', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0' });
  await whilePublishing(w.base, async () => {
    const before = snapshot(w.base);
    await assert.rejects(setChannel(w.at(), 'alpha', release), {
      exitCode: 1,
      message: /another process is publishing there: process \d+ of /,
    });
    assert.deepEqual(snapshot(w.base), before);
  });
  const dead = spawnSync('true').pid;
  const lock = join(w.base, '.publishing.json');
  await whilePublishing(w.base, async () => {
    const text = readFileSync(lock, 'utf8');
    writeFileSync(join(w.folder, 'stale'), text.replace(`"pid":${process.pid}`, `"pid":${dead}`));
  });
  cpSync(join(w.folder, 'stale'), lock);
  mkdirSync(join(w.base, 'box/releases/2026.1129.0.tmp-1-00000000'), { recursive: true });
  await setChannel(w.at(), 'alpha', release);
  assert.deepEqual(readdirSync(join(w.base, 'box/releases')), ['2026.1129.0']);
  assert.equal(existsSync(lock), false);
});

test('a publisher that is asked to stop leaves no lock', async (t) => {
  const w = await world(t);
  const lock = join(w.base, '.publishing.json');
  const script = `
    const { whilePublishing } = await import(${JSON.stringify(new URL('lock.ts', import.meta.url))});
    await whilePublishing(${JSON.stringify(w.base)}, async () => {
      console.log('holds');
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    });`;
  const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', script];
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    const other = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(other.stdout, 'data');
    assert.ok(existsSync(lock));
    other.kill(signal);
    assert.deepEqual(await once(other, 'close'), [code, null]);
    assert.equal(existsSync(lock), false);
  }
});

test('a lock of an earlier boot of this host is taken over, one of another host is not', async (t) => {
  const w = await world(t);
  const here = { host: 'a', machine: 'm', boot: '2' };
  const lock = join(w.base, '.publishing.json');
  const published = async (other: object) => {
    const owner = { pid: 1, start: '1', world: '00000000', user: 'u' };
    writeFileSync(lock, JSON.stringify({ ...owner, ...other }));
    return whilePublishing(w.base, async () => true, here).catch(({ message }) => message);
  };
  assert.equal(await published({ ...here, boot: '1' }), true);
  assert.equal(existsSync(lock), false);
  for (const other of [
    here,
    { ...here, boot: '1', host: 'b' },
    { host: 'a', boot: '1' },
    { ...here, machine: 'n' },
  ])
    assert.match(await published(other), /another process is publishing there: process 1 of u on/);
});

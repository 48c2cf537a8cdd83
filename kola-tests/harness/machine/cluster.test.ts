import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { withFakeLab } from '../../fixtures/fake-lab.ts';
import { createCluster, planCluster } from './cluster.ts';

/** The sockets of networks on which this process listens. An open socket would keep the process alive. */
const open = (): number =>
  readdirSync(join(tmpdir(), `draisine-kola-${process.getuid?.()}`), {
    recursive: true,
    encoding: 'utf8',
  }).filter((path) => path.startsWith(`${process.pid}-`) && path.endsWith('/net-lan.sock')).length;

test('a cluster that cannot be made or removed completely leaves no network open', async () => {
  await withFakeLab(async ({ lab }) => {
    const cluster = async (...networks: string[]) =>
      await createCluster(
        lab,
        planCluster({ name: 'a.b', machines: { box: { nics: networks.map((network) => ({ network })) } } }),
      );
    // The folder for the second socket does not exist.
    await assert.rejects(cluster('lan', 'no/such'));
    assert.equal(open(), 0);
    const { machines, dispose } = await cluster('lan');
    const during = open();
    const [box] = Object.values(machines);
    Object.assign(box ?? {}, { dispose: () => Promise.reject(new Error('busy')) });
    await assert.rejects(dispose(), /busy/);
    assert.deepEqual([during, open()], [1, 0]);
  });
});

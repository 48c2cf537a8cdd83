import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { dataOf } from '../base/data-url.ts';
import { machine } from '../machine.ts';

const pools = { tank: { vdevs: [{ disk: '/dev/disk/by-id/a' }] } } as const;
const image = 'docker.io/library/caddy:2';

/** The files and units of a machine, by path and name. */
function written(made: object): Map<string, string> {
  const { storage, systemd } = made as {
    storage?: { files?: { path: string; contents: { source: string } }[] };
    systemd?: { units?: { name: string; contents?: string; enabled?: boolean }[] };
  };
  return new Map([
    ...(storage?.files ?? []).map(
      ({ path, contents }) => [path, dataOf(contents.source)?.toString() ?? ''] as const,
    ),
    ...(systemd?.units ?? []).map(({ name, contents = '' }) => [name, contents] as const),
  ]);
}

describe('containers on a pool', () => {
  const made = machine({
    pools,
    datasets: { 'tank/containers': { quota: '200G' } },
    containerStorage: 'tank/containers',
    containerNetworks: { shop: {} },
    pods: { p: {} },
    containers: { web: { image } },
  });
  const files = written(made);
  const service = 'zfs-dataset-tank-containers.service';

  test('the dataset is mounted at podman’s folder, with the properties for overlayfs', () => {
    const script =
      [...files.values()].find((text) => text.includes("dataset='tank/containers'")) ??
      [...files.values()].join('\n');
    assert.match(script, /mountpoint=\/var\/lib\/containers\/storage/);
    assert.match(script, /acltype=posix/);
    assert.match(script, /xattr=sa/);
    assert.match(script, /quota=200G/);
  });

  test('no unit of podman starts without it', () => {
    assert.ok(files.has(service), [...files.keys()].join());
    for (const name of ['web.container', 'p.pod', 'shop.network']) {
      const text = files.get(`/etc/containers/systemd/${name}`) ?? '';
      assert.match(text, new RegExp(`^Requires=${service}`, 'm'), name);
      assert.match(text, new RegExp(`^After=${service}`, 'm'), name);
    }
  });

  test('a dataset that is not declared, or is mounted elsewhere, is an error', () => {
    assert.throws(() => machine({ pools, containerStorage: 'tank/x' as never }), {
      message: /dataset tank\/x is not declared/,
      where: 'containerStorage',
    });
    const datasets = { 'tank/c': { mountpoint: '/c' } };
    assert.throws(() => machine({ pools, datasets, containerStorage: 'tank/c' }), /a mount point of its own/);
  });

  test('without it nothing changes', () => {
    const plain = written(machine({ containerNetworks: { shop: {} }, containers: { web: { image } } }));
    assert.doesNotMatch(plain.get('/etc/containers/systemd/web.container') ?? '', /Requires=/);
    assert.equal(
      plain.get('/etc/containers/systemd/shop.network'),
      '[Unit]\nDescription=Network shop of containers\n\n[Network]\nNetworkName=shop\n',
    );
  });
});

test('limits of the journal', () => {
  const path = '/etc/systemd/journald.conf.d/50-limits.conf';
  assert.equal(
    written(machine({ log: { size: '1G', days: 30 } })).get(path),
    '[Journal]\nSystemMaxUse=1G\nMaxRetentionSec=30day\n',
  );
  assert.throws(() => machine({ log: { size: 'much' as never } }), /not a size/);
  assert.throws(() => machine({ log: { days: 0 } }), /not a number of days/);
});

test('a timer removes unused images', () => {
  const files = written(machine({ freeImages: 'weekly' }));
  assert.match(files.get('draisine-free.service') ?? '', /^ExecStart=\/usr\/bin\/draisine free$/m);
  assert.match(files.get('draisine-free.timer') ?? '', /^OnCalendar=weekly$/m);
});

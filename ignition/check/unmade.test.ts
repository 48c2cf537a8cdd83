import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dataUrl } from '../base/data-url.ts';
import type { JsonObject } from '../json/value.ts';
import { machine } from '../machine.ts';
import { trapsOf } from './traps.ts';
import { unmadePaths } from './unmade.ts';

const file = (path: string, text: string) => ({ path, contents: { source: dataUrl(text) } });
const QUADLET = '/etc/containers/systemd/web.container';

/** The warnings about a config with a quadlet. */
function warnings(quadlet: string, config: { files?: object[]; [section: string]: unknown } = {}): string[] {
  const { files = [], ...rest } = config;
  const all = {
    ...rest,
    storage: { ...(rest.storage as object), files: [file(QUADLET, quadlet), ...files] },
  };
  return trapsOf(all as JsonObject, undefined).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

test('a quadlet that mounts a folder which nothing makes is a warning', () => {
  const [first = '', ...others] = warnings(
    'Volume=/srv/data:/data\nVolume=/etc/a:/a:ro\nVolume=own:/b\nVolume=/srv/%i:/c\nMount=type=bind,source=/opt/x,target=/x\n',
  );
  assert.match(
    first,
    /^storage\.files\.0\.path: nothing in this config makes \/srv\/data, .*storage\.directories$/,
  );
  assert.equal(others.length, 1);
  assert.match(others[0] ?? '', /\/opt\/x/);
});

test('folders that a config makes, or may make, are none', () => {
  const volume = 'Volume=/srv/data/:/data\n';
  const unit = (name: string, contents: string) => ({ systemd: { units: [{ name, contents }] } });
  const made: Parameters<typeof warnings>[1][] = [
    { storage: { directories: [{ path: '/srv/data' }] } },
    { files: [file('/srv/data/index.html', '')] },
    { storage: { links: [{ path: '/srv', target: 'x' }] } },
    { storage: { filesystems: [{ path: '/srv', device: '/dev/a' }] } },
    { files: [file('/etc/tmpfiles.d/a.conf', 'd /srv/data 0755 1000 1000\n')] },
    unit('srv.mount', '[Mount]\nWhat=nas:/x\nWhere=/srv\n'),
    unit('a.service', '[Service]\nExecStart=mkdir -p /srv/data\n'),
    { passwd: { users: [{ name: 'me', homeDir: '/srv/data' }] } },
  ];
  for (const config of made) assert.deepEqual(warnings(volume, config), [], JSON.stringify(config));
  assert.equal(
    warnings(volume, { storage: { directories: [{ path: '/srv' }, { path: '/srv/database' }] } }).length,
    1,
  );
  const state = unit('a.service', '[Service]\nStateDirectory=a b\n').systemd as never;
  assert.deepEqual(
    unmadePaths({ systemd: state }, ['/var/lib/b/c', '/var/lib/c', '/var/lib/systemd/x', '/srv']),
    ['/var/lib/c'],
  );
});

test('in typed TypeScript it is an error, but not on datasets', () => {
  const image = 'a.example/b:1';
  const config =
    (path: string, more: object = {}) =>
    () =>
      machine({
        pools: { tank: { vdevs: [{ disk: '/dev/disk/by-id/a' }] } },
        datasets: { 'tank/media': { mountpoint: '/srv/media' } },
        containers: { web: { image, volumes: [{ path, at: '/data' }] } },
        ...more,
      });
  assert.throws(config('/srv/data'), { where: 'containers.web.volumes' });
  assert.doesNotThrow(config('/srv/media/films'));
  assert.doesNotThrow(config('/srv/data', { directories: { '/srv/data': { user: 1000 } } }));
  assert.doesNotThrow(
    config('/srv/data', { include: [{ storage: { directories: [{ path: '/srv/data' }] } }] }),
  );
  const volumes = [{ path: '/srv/data', at: '/data' }];
  assert.doesNotThrow(config('/x', { containers: { web: { image, pools: ['tank'], volumes } } }));
  assert.deepEqual(trapsOf(config('/srv/media/films')() as unknown as JsonObject, undefined), []);
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { dataOf } from '../base/data-url.ts';
import { machine } from '../machine.ts';
import type { PublishedPort } from './container-options.ts';

const image = 'docker.io/adguard/adguardhome:latest';

/** Paths of the files and links of a machine with a container that publishes some ports. */
function written(ports: readonly (number | PublishedPort)[], pods: boolean): Map<string, string> {
  const made = pods
    ? machine({ pods: { p: { ports } }, containers: { dns: { image, pod: 'p' } } })
    : machine({ containers: { dns: { image, ports } } });
  const { storage } = made as {
    storage: {
      files: { path: string; contents: { source: string } }[];
      links?: { path: string; target: string }[];
    };
  };
  return new Map([
    ...storage.files.map(({ path, contents }) => [path, dataOf(contents.source)?.toString() ?? ''] as const),
    ...(storage.links ?? []).map(({ path, target }) => [path, target] as const),
  ]);
}

describe('a DNS server in a container', () => {
  for (const pods of [false, true]) {
    test(`on every address of the machine${pods ? ', in a pod' : ''}`, () => {
      for (const ports of [
        [53],
        [{ host: 53, container: 5353, protocol: 'udp', address: '0.0.0.0' }],
      ] as const) {
        const paths = written(ports, pods);
        assert.match(
          paths.get('/etc/systemd/resolved.conf.d/50-port-53.conf') ?? '',
          /\[Resolve\]\nDNSStubListener=no\n/,
        );
        assert.match(
          paths.get('/etc/containers/containers.conf.d/50-port-53.conf') ?? '',
          /\[network\]\ndns_bind_port = 1053\n/,
        );
        assert.equal(paths.get('/etc/resolv.conf'), '../run/systemd/resolve/resolv.conf');
      }
    });
  }

  test('on one address, or on another port: the resolver stays as it is', () => {
    for (const port of [{ host: 53, address: '192.0.2.1' }, { host: 5353, container: 53 }, 80]) {
      const paths = written([port], false);
      assert.deepEqual([...paths.keys()], ['/etc/containers/systemd/dns.container']);
    }
  });

  test('two addresses have a port each', () => {
    const two = ['192.0.2.1', '2001:db8::1'].map(
      (address) => ({ host: 53, protocol: 'udp', address }) as const,
    );
    assert.match(
      written(two, false).get('/etc/containers/systemd/dns.container') ?? '',
      /PublishPort=192\.0\.2\.1:53:53\/udp\nPublishPort=\[2001:db8::1\]:53:53\/udp\n/,
    );
    assert.throws(
      () => written([...two, { host: 53, protocol: 'udp' }], false),
      /port udp 53 is claimed twice/,
    );
  });
});

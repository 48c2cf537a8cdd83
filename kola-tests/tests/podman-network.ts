import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BUSYBOX, busybox } from '../harness/machine/busybox.ts';
import { register } from '../harness/run/register.ts';

const machines = { box: { prepare: busybox } };

const WEB = `--entrypoint=/bin/busybox ${BUSYBOX} httpd -f -p 80 -h /etc`;
const CLIENT = `--entrypoint=/bin/busybox ${BUSYBOX}`;

register(
  {
    name: 'podman.dns-between-containers',
    what: 'Containers of one network find each other by name.',
    machines,
  },
  async (_t, { box }) => {
    // On a network that a user has made, aardvark-dns resolves the names of the containers.
    await box.succeed(`
    podman network create shop
    podman run --detach --name=web --network=shop --hostname=web ${WEB}`);
    const said = await box.succeed(
      `podman run --rm --network=shop ${CLIENT} sh -c 'wget -q -O - http://web/hostname && ! nslookup nobody >/dev/null 2>&1'`,
    );
    assert.equal(said, 'web');
    await box.succeed('pgrep -x aardvark-dns');
    await box.succeed('podman rm --force --time=0 web && podman network rm shop');
    await box.retry(() => box.fail('pgrep -x aardvark-dns'), { seconds: 10 });
  },
);

register(
  {
    name: 'podman.isolated-network',
    what: 'A container on an internal network cannot reach other networks.',
    machines,
  },
  async (_t, { box }) => {
    await box.succeed('podman network create --internal --subnet=10.77.0.0/24 inside');
    // The container has no default route, so it reaches neither the host's network nor anything behind it.
    const said = await box.succeed(
      `podman run --rm --network=inside ${CLIENT} sh -c 'ip -4 -o address show dev eth0; ip route; wget -q -O - http://10.0.2.2/ 2>&1; true'`,
    );
    assert.match(said, /inet 10\.77\.0\.\d+\/24/);
    assert.doesNotMatch(said, /^default/m);
    assert.match(said, /unreachable/i);
  },
);

register(
  {
    name: 'podman.published-ipv6',
    what: 'A published port is reached over IPv4 and IPv6.',
    machines,
    expect: [/^listener: tcp \S*:8080 /],
  },
  async (_t, { box }) => {
    await box.succeed(`
    podman network create --ipv6 --subnet=10.78.0.0/24 --subnet=fd00:78::/64 dual
    podman run --detach --name=web --network=dual --hostname=web --publish=8080:80 ${WEB}`);
    const get = (address: string): string =>
      `exec 9<>/dev/tcp/${address}/8080 && printf 'GET /hostname HTTP/1.0\\r\\n\\r\\n' >&9 && timeout 20 cat <&9 | tail -n 1`;
    assert.equal(await box.waitUntilSucceeds(get('127.0.0.1')), 'web');
    assert.equal(await box.waitUntilSucceeds(get('fd00:78::1')), 'web');
  },
);

register(
  { name: 'podman.way-out', what: 'A container reaches the network outside.', machines },
  async (_t, { box }) => {
    const server = createServer((_request, answer) => answer.end('from the host\n'));
    try {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      // 10.0.2.2 is the host's loopback. The packets of the container leave with the machine's address (masquerading).
      const said = await box.succeed(`podman run --rm ${CLIENT} wget -q -O - http://10.0.2.2:${port}/`);
      assert.equal(said, 'from the host');
    } finally {
      server.close();
    }
  },
);

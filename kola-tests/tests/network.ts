import assert from 'node:assert/strict';
import { type Key, wireguardKey } from '../harness/guest/wireguard.ts';
import type { Machine } from '../harness/machine/machine.ts';
import { register } from '../harness/run/register.ts';

/*
 * The other end of the cable is a network name space of the same machine: `peer`, with `far` as its interface. The
 * near end is configured as on any machine, through files for systemd-networkd. Pings are bound to an interface,
 * because QEMU's user network answers every ping that leaves by the default route.
 */

/** Puts a cable between `near` of the machine and `far` of the name space `peer`. */
const CABLE = `
  ip netns add peer
  ip link add near type veth peer name far netns peer
  ip -n peer link set lo up
  ip -n peer link set far up
`;

/** Writes files of systemd.network(5) and systemd.netdev(5), and applies them. */
async function configure(box: Machine, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files))
    await box.copyTo(Buffer.from(text), `/etc/systemd/network/${name}`);
  await box.succeed('networkctl reload');
}

const ping = (address: string): string => `ip netns exec peer ping -c 1 -W 1 ${address}`;

register(
  {
    name: 'net.static',
    what: 'A static address and a static route work, for IPv4 and IPv6.',
    tags: ['quick'],
  },
  async (_t, { box }) => {
    await box.succeed(CABLE);
    // Virtual links are left alone until somebody configures them.
    await box.waitUntilSucceeds("networkctl status near | grep 'State: .* (unmanaged)'");
    await configure(box, {
      '10-near.network':
        '[Match]\nName=near\n\n[Link]\nMTUBytes=1400\n\n[Network]\nAddress=10.9.0.1/24\nAddress=fd09::1/64\n\n[Route]\nDestination=10.10.0.0/16\nGateway=10.9.0.2\n',
    });
    await box.succeed(
      'ip -n peer address add 10.9.0.2/24 dev far && ip -n peer address add fd09::2/64 dev far nodad && ip -n peer address add 10.10.1.1/32 dev lo',
    );
    await box.waitUntilSucceeds(ping('10.9.0.1'));
    await box.waitUntilSucceeds(ping('fd09::1'));
    await box.waitUntilSucceeds('ping -I near -c 1 -W 1 10.10.1.1');
    assert.match(await box.succeed('ip route get 10.10.1.1'), / via 10\.9\.0\.2 dev near /);
    assert.match(await box.succeed('ip link show near'), / mtu 1400 /);
    // The default route is still the one from DHCP.
    assert.match(await box.succeed('ip route show default'), /^default via 10\.0\.2\.2 /);
  },
);

register(
  { name: 'net.vlan', what: 'A VLAN reaches its own network only.', tags: ['quick'] },
  async (_t, { box }) => {
    await box.succeed(CABLE);
    await configure(box, {
      '10-v7.netdev': '[NetDev]\nName=v7\nKind=vlan\n\n[VLAN]\nId=7\n',
      '10-near.network': '[Match]\nName=near\n\n[Network]\nVLAN=v7\nLinkLocalAddressing=no\n',
      '10-v7.network': '[Match]\nName=v7\n\n[Network]\nAddress=10.9.7.1/24\n',
    });
    await box.succeed(`
    ip -n peer link add link far name v7 type vlan id 7 && ip -n peer link set v7 up
    ip -n peer link add link far name v8 type vlan id 8 && ip -n peer link set v8 up
    ip -n peer address add 10.9.7.2/24 dev v7`);
    await box.waitUntilSucceeds(ping('10.9.7.1'));
    // The same address with another tag is another network.
    await box.succeed('ip -n peer address flush dev v7 && ip -n peer address add 10.9.7.2/24 dev v8');
    await box.fail(ping('10.9.7.1'));
  },
);

register(
  { name: 'net.bridge', what: 'A bridge connects its ports.', tags: ['quick'] },
  async (_t, { box }) => {
    await box.succeed(`${CABLE}
    ip netns add third && ip link add near2 type veth peer name far netns third && ip -n third link set far up`);
    await configure(box, {
      '10-br.netdev': '[NetDev]\nName=br0\nKind=bridge\n',
      '10-br.network': '[Match]\nName=br0\n\n[Network]\nAddress=10.9.0.1/24\n',
      '10-ports.network': '[Match]\nName=near near2\n\n[Network]\nBridge=br0\n',
    });
    await box.succeed(
      'ip -n peer address add 10.9.0.2/24 dev far && ip -n third address add 10.9.0.3/24 dev far',
    );
    await box.waitUntilSucceeds(ping('10.9.0.1'));
    await box.waitUntilSucceeds(ping('10.9.0.3')); // from port to port
  },
);

register(
  {
    name: 'net.bond',
    what: 'A bond uses its second cable when the first one is cut.',
    tags: ['quick'],
  },
  async (_t, { box }) => {
    await box.succeed(`${CABLE}
    ip link add near2 type veth peer name far2 netns peer
    ip -n peer link add br0 type bridge && ip -n peer link set far master br0 && ip -n peer link set far2 master br0
    ip -n peer link set far2 up && ip -n peer link set br0 up && ip -n peer address add 10.9.0.2/24 dev br0`);
    await configure(box, {
      '10-bond.netdev':
        '[NetDev]\nName=bond0\nKind=bond\n\n[Bond]\nMode=active-backup\nMIIMonitorSec=100ms\n',
      '10-bond.network': '[Match]\nName=bond0\n\n[Network]\nAddress=10.9.0.1/24\n',
      '10-ports.network': '[Match]\nName=near near2\n\n[Network]\nBond=bond0\n',
    });
    await box.waitUntilSucceeds('ping -I bond0 -c 1 -W 1 10.9.0.2');
    await box.waitUntilSucceeds('test "$(wc -w </sys/class/net/bond0/bonding/slaves)" = 2');
    // The cable in use is cut: the other one takes over.
    const active = 'cat /sys/class/net/bond0/bonding/active_slave';
    const first = await box.waitUntilSucceeds(`${active} | grep .`);
    await box.succeed(`ip -n peer link set ${first === 'near' ? 'far' : 'far2'} down`);
    await box.waitUntilSucceeds('ping -I bond0 -c 1 -W 1 10.9.0.2');
    assert.equal(await box.succeed(active), first === 'near' ? 'near2' : 'near');
  },
);

register(
  {
    name: 'net.wireguard',
    what: 'A WireGuard tunnel accepts only packets from the addresses of its peer.',
    tags: ['quick'],
    expect: [/^listener: udp \S+:5182[12] /],
  },
  async (_t, { box }) => {
    const [here, there] = [wireguardKey(), wireguardKey()];
    const netdev = (
      name: string,
      own: Key,
      port: number,
      peer: Key,
      peerPort: number,
      allowed: string,
    ): string =>
      `[NetDev]\nName=${name}\nKind=wireguard\n\n[WireGuard]\nPrivateKey=${own.secret}\nListenPort=${port}\n\n` +
      `[WireGuardPeer]\nPublicKey=${peer.open}\nAllowedIPs=${allowed}\nEndpoint=127.0.0.1:${peerPort}\n`;
    await configure(box, {
      '10-wg0.netdev': netdev('wg0', here, 51821, there, 51822, '10.9.0.2/32'),
      '10-wg0.network': '[Match]\nName=wg0\n\n[Network]\nAddress=10.9.0.1/24\n',
      '10-wg1.netdev': netdev('wg1', there, 51822, here, 51821, '10.9.0.1/32'),
    });
    // A WireGuard interface keeps its socket in the name space where it was made. So the tunnel runs over our loopback.
    await box.waitUntilSucceeds('ip link show wg1');
    await box.succeed(`
    ip netns add peer && ip link set wg1 netns peer
    ip -n peer address add 10.9.0.2/24 dev wg1 && ip -n peer link set wg1 up`);
    await box.waitUntilSucceeds(ping('10.9.0.1'));
    // A packet from an address that the peer's key does not cover is dropped.
    await box.succeed('ip -n peer address flush dev wg1 && ip -n peer address add 10.9.0.3/24 dev wg1');
    await box.fail(ping('10.9.0.1'));
  },
);

register(
  {
    name: 'net.ipv6',
    what: 'The machine gets an IPv6 address and a route from its router.',
    tags: ['quick'],
  },
  async (_t, { box }) => {
    // QEMU's router announces fec0::/64. The machine makes its address of that prefix and its MAC address (SLAAC, RFC 4862).
    await box.waitUntilSucceeds("ip -6 address show scope site | grep 'fec0::5054:ff:fe00:0/64'");
    await box.waitUntilSucceeds('ip -6 route show default | grep "proto ra"');
    await box.succeed('ping -c 1 -W 20 ::1');
    await box.waitUntilSucceeds('ping -c 1 -W 5 fec0::2');
    await box.waitForPort(22, { address: '::1' });
  },
);

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressesMeet, isAddress, isNetwork, isWholeNetwork, networksMeet } from './addresses.ts';
import { firewall } from './firewall.ts';
import { network } from './network.ts';
import { containerNetwork } from './pod.ts';
import { user } from './user.ts';

test('addresses and networks', () => {
  for (const good of ['192.0.2.1', '::', '2001:db8::1', '::ffff:192.0.2.1']) assert.ok(isAddress(good), good);
  for (const bad of ['', '192.0.2', '192.0.2.256', '[::1]', 'fe80::1%lan', 'lan', '192.0.2.1/24'])
    assert.ok(!isAddress(bad), bad);
  for (const good of ['192.0.2.0/24', '0.0.0.0/0', '::/0', 'fd00::/128']) assert.ok(isNetwork(good), good);
  for (const bad of [
    '192.0.2.0',
    '192.0.2.0/33',
    '192.0.2/24',
    'fd00::/129',
    '192.0.2.0/-1',
    '192.0.2.0/24/1',
    '/24',
  ])
    assert.ok(!isNetwork(bad), bad);
  assert.ok(addressesMeet('', '::1') && addressesMeet('[::1]', '0:0::1') && !addressesMeet('0.0.0.0', '::'));
  for (const whole of [
    '192.0.2.0/24',
    '192.0.2.1/32',
    '0.0.0.0/0',
    '::/0',
    'fd00:1::/32',
    '::ffff:1.2.3.4/128',
  ])
    assert.ok(isWholeNetwork(whole), whole);
  for (const part of ['192.0.2.1/24', '0.0.0.1/0', '::1/127', 'fd00:1::/31'])
    assert.ok(!isWholeNetwork(part), part);
  assert.ok(networksMeet('10.9.0.0/24', '10.9.0.128/25') && networksMeet('::/0', 'fd00::/8'));
  assert.ok(!networksMeet('10.9.0.0/24', '10.9.1.0/24') && !networksMeet('0.0.0.0/0', '::/0'));
});

test('an address that the machine would not take is an error of the config', () => {
  const lan = (more: object) => () =>
    network({ interfaces: { lan: { port: { name: 'eth0' }, ...more } as never } });
  assert.throws(lan({ addresses: ['192.0.2.2'] }), /not an address with prefix length/);
  assert.throws(lan({ addresses: ['192.0.2.2/33'] }), /not an address with prefix length/);
  assert.throws(lan({ addresses: ['192.0.2.0/24'] }), /is a network, not an address/);
  for (const address of ['192.0.2.0/31', '192.0.2.4/32', '2001:db8::/64'])
    assert.doesNotThrow(lan({ addresses: [address] }));
  const beyond = { addresses: ['192.0.2.2/25'], gateway: '192.0.2.200' } as const;
  assert.throws(lan(beyond), /gateway 192\.0\.2\.200 is not in 192\.0\.2\.2\/25/);
  assert.throws(lan({ ...beyond, dhcp: 'ipv6' }), /is not in/);
  assert.doesNotThrow(lan({ ...beyond, dhcp: true }));
  assert.throws(
    lan({ addresses: ['192.0.2.2/24'], gateway: '192.0.2.1/24' }),
    /the gateway is not an address/,
  );
  assert.throws(lan({ dhcp: true, dns: ['dns.example'] }), /the name server is not an address/);
  const dns = ['192.0.2.53', '192.0.2.53:5353', '[2001:db8::53]:53', '2001:db8::53', '9.9.9.9#dns.quad9.net'];
  assert.doesNotThrow(lan({ addresses: ['2001:db8::2/64'], gateway: 'fe80::1', dns }));
  for (const from of ['192.168.1/24', '192.168.1.0/33', 'lan', '']) {
    assert.throws(
      () => firewall({ allow: [{ name: 'web', tcp: [80], from: [from] }] }, []),
      /not a network/,
      from,
    );
  }
  assert.throws(() => firewall({ allow: [{ name: 'web', tcp: [80], from: [] }] }), /names no network/);
  assert.doesNotThrow(() =>
    firewall({ allow: [{ name: 'web', tcp: [80], from: ['192.0.2.7', 'fd00::/8'] }] }, []),
  );
  assert.throws(() => user('me', { ssh: { from: ['192.168.1.0/33'] } }), /not a network/);
  assert.doesNotThrow(() => user('me', { ssh: { from: ['!192.168.1.0/24', '10.0.*'] } }));
  assert.throws(() => containerNetwork('a', { subnet: '999.1.1.1/24' }), /not a subnet/);
});

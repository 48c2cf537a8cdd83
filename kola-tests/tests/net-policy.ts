import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { register } from '../harness/run/register.ts';

/** The first bytes from a service behind a forwarded port; undefined if none come within `ms`. */
async function greeting(port: number, ms: number): Promise<string | undefined> {
  const socket = connect(port, '127.0.0.1');
  try {
    return await new Promise<string | undefined>((resolve) => {
      socket.once('data', (bytes) => resolve(bytes.toString()));
      socket.once('close', () => resolve(undefined));
      socket.once('error', () => resolve(undefined));
      setTimeout(() => resolve(undefined), ms);
    });
  } finally {
    socket.destroy();
  }
}

register(
  {
    name: 'net.firewall',
    what: "The owner's firewall closes and opens ports, and leaves the rules of podman alone.",
    expect: [/^listener: tcp \S+:8080 /],
  },
  async (_t, { box }) => {
    await box.copyTo(
      Buffer.from('[Socket]\nListenStream=8080\nAccept=yes\n'),
      '/etc/systemd/system/greeter.socket',
    );
    await box.copyTo(
      Buffer.from('[Service]\nExecStart=/bin/echo hello\nStandardInput=socket\n'),
      '/etc/systemd/system/greeter@.service',
    );
    await box.succeed('systemctl daemon-reload && systemctl start greeter.socket');
    await box.waitForPort(8080);
    const port = await box.forward(8080);
    assert.equal(
      await box.retry(async () => (await greeting(port, 5000)) ?? assert.fail('no greeting')),
      'hello\n',
    );

    // The owner's rules are a file that nftables.service loads.
    await box.copyTo(
      Buffer.from(`#!/usr/sbin/nft -f
flush ruleset
table inet filter {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iif lo accept
    meta l4proto { icmp, ipv6-icmp } accept
    tcp dport 22 accept
  }
}
`),
      '/etc/nftables.conf',
    );
    await box.succeed('systemctl reload nftables.service');
    assert.equal(await greeting(port, 5000), undefined, 'a closed port answers');
    assert.match(
      await box.retry(async () => (await greeting(await box.forward(22), 10_000)) ?? assert.fail('no SSH')),
      /^SSH-2\.0-/,
    );
    await box.succeed('nft add rule inet filter input tcp dport 8080 accept');
    assert.equal(
      await box.retry(async () => (await greeting(port, 5000)) ?? assert.fail('no greeting')),
      'hello\n',
    );

    // The rules of podman are not changed.
    await box.succeed(
      'nft add table inet draisine && nft add table inet netavark && systemctl stop nftables.service',
    );
    const tables = await box.succeed('nft list tables');
    assert.match(tables, /^table inet netavark$/m);
    assert.doesNotMatch(tables, /draisine/);
  },
);

register(
  {
    name: 'net.dns-failure',
    what: 'If a DNS server does not answer, a lookup fails within a time limit, and nothing else breaks.',
    tags: ['quick'],
  },
  async (_t, { box }) => {
    const link = await box.waitUntilSucceeds("ip -4 route show default | awk '{print $5}' | grep .");
    await box.succeed(`resolvectl dns ${link} 10.0.2.99 && resolvectl flush-caches`);
    // There is no server at this address. The lookup fails within bounded time, with a message.
    const start = Date.now();
    assert.match(
      await box.fail('timeout 120 resolvectl query unreachable.example 2>&1'),
      /timed out|failed|All attempts|No route/i,
    );
    assert.ok(Date.now() - start < 110_000, 'resolved took its time');
    // Names that need no server still resolve.
    assert.match(await box.succeed('getent hosts localhost'), /localhost/);
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
    await box.succeed(`resolvectl revert ${link} && networkctl reconfigure ${link}`);
    await box.waitUntilSucceeds(`resolvectl dns ${link} | grep 10.0.2.3`);
  },
);

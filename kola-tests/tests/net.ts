import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { within } from '../harness/qemu/wait.ts';
import { register } from '../harness/run/register.ts';

register(
  { name: 'net.dhcp-dns', what: 'The machine gets its address, its route and its DNS server by DHCP.' },
  async (_t, { box }) => {
    await box.waitForUnit('systemd-networkd.service');
    await box.waitForUnit('systemd-resolved.service');
    // QEMU's user network gives out 10.0.2.15, routes by 10.0.2.2 and resolves at 10.0.2.3.
    const link = await box.waitUntilSucceeds(
      "ip -4 -brief address show scope global | grep -m 1 '10\\.0\\.2\\.15/24'",
    );
    const name = link.split(/\s+/)[0];
    assert.match(
      await box.succeed('ip -4 route show default'),
      new RegExp(`default via 10\\.0\\.2\\.2 dev ${name} proto dhcp`),
    );
    assert.match(await box.succeed(`resolvectl dns ${name}`), /10\.0\.2\.3/);
    // The stub resolver answers, and libc uses it.
    assert.match(await box.succeed('resolvectl query localhost'), /127\.0\.0\.1/);
    assert.match(await box.succeed('getent ahostsv4 _gateway'), /^10\.0\.2\.2 /m);
    assert.match(await box.succeed('cat /etc/resolv.conf'), /^nameserver 127\.0\.0\.53$/m);

    // A connection to the host: 10.0.2.2 is its loopback.
    const socket = createSocket('udp4');
    try {
      await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
      const heard = new Promise<string>((resolve) =>
        socket.once('message', (message) => resolve(message.toString())),
      );
      await box.succeed(`echo hello >/dev/udp/10.0.2.2/${socket.address().port}`);
      assert.equal(await within(heard, 'the datagram', { timeoutMs: 60_000 }), 'hello\n');
    } finally {
      socket.close();
    }
  },
);

register({ name: 'net.listeners', what: 'Only SSH can be reached from outside.' }, async (_t, { box }) => {
  const listening = await box.succeed('ss -H -l -n -t');
  const open = listening
    .split('\n')
    .map((line) => line.trim().split(/\s+/)[3] ?? '')
    .filter((local) => !/^127\.|^\[::1\]|%lo:/.test(local));
  assert.ok(open.length > 0 && open.every((local) => /:22$/.test(local)), `listening: ${open.join(', ')}`);

  const sockets = await box.succeed('ss -H -l -n -u -p');
  const udp = sockets
    .split('\n')
    .filter((line) => line !== '' && !/127\.0\.0\.5[34]|\[::1\]|%lo:/.test(line));
  assert.ok(
    udp.every((line) => /:(68|546)\s/.test(line)),
    `listening on UDP: ${udp.join('\n')}`,
  );

  // From the host, only SSH answers. No other port does, and neither does the stub resolver.
  const port = await box.forward(22);
  const banner = await box.retry(async () => await firstBytes(port));
  assert.match(banner, /^SSH-2\.0-OpenSSH/);
});

async function firstBytes(port: number): Promise<string> {
  return await new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.setTimeout(20_000, () => socket.destroy(new Error('no greeting')));
    socket.once('data', (bytes) => {
      socket.destroy();
      resolve(bytes.toString());
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed without a greeting')));
  });
}

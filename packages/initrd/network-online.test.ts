import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

/* The script that waits for the network in the initrd, with a networkd that is made up. */

const SCRIPT = fileURLToPath(new URL('../overlays/initrd/usr/lib/draisine/network-online', import.meta.url));

/** Runs the script. `later`: what happens when it has waited three times. Returns resolv.conf and how often it waited. */
function online(t: TestContext, state: string, later: string) {
  const root = mkdtempSync(join(tmpdir(), 'draisine-network-online-'));
  t.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'netif/leases'), { recursive: true });
  writeFileSync(join(root, 'netif/state'), state);
  const program = (name: string, script: string) =>
    writeFileSync(join(root, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  // networkd asks DHCP servers 0, 2, 6, 14, 30 and 62 s after the link is up. A switch may forward nothing for 30 s.
  program('systemd-networkd-wait-online', `[ "\${2#--timeout=}" -ge 70 ]`);
  program(
    'udevadm',
    `echo x >>${root}/waits; cd ${root}/netif; [ $(wc -l <${root}/waits) -ne 3 ] || { ${later}; }; exit 1`,
  );
  const script = readFileSync(SCRIPT, 'utf8')
    .replaceAll('/run/systemd/netif', `${root}/netif`)
    .replace('/etc/resolv.conf', `${root}/resolv.conf`);
  writeFileSync(join(root, 'waits'), '');
  const env = { PATH: `${root}:/usr/bin:/bin` };
  const ran = spawnSync('sh', { input: script, encoding: 'utf8', env });
  assert.equal(ran.status, 0, ran.stderr);
  const waits = readFileSync(join(root, 'waits'), 'utf8').length / 2;
  return { servers: readFileSync(join(root, 'resolv.conf'), 'utf8'), waits };
}

test('name servers that are there are taken at once', (t) => {
  const state = 'OPER_STATE=routable\nDNS=10.0.2.3 fd00::3\nNTP=\n';
  assert.deepEqual(online(t, state, ':'), { servers: 'nameserver 10.0.2.3\nnameserver fd00::3\n', waits: 0 });
});

test('a router advertisement without a name server does not end the wait for DHCP', (t) => {
  const later = 'echo DNS=10.0.2.3 >state; : >leases/2';
  assert.deepEqual(online(t, 'OPER_STATE=routable\n', later), { servers: 'nameserver 10.0.2.3\n', waits: 3 });
});

test('a network without a name server is used after DHCP has answered, or ten seconds', (t) => {
  assert.deepEqual(online(t, 'OPER_STATE=routable\n', ': >leases/2'), { servers: '', waits: 4 });
  assert.deepEqual(online(t, 'OPER_STATE=routable\n', ':'), { servers: '', waits: 20 });
});

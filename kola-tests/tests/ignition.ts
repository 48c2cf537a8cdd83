import assert from 'node:assert/strict';
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { dataUrl } from '../harness/ignition.ts';
import { register } from '../harness/register.ts';
import type { IgnitionConfig } from '../harness/spec.ts';

/** An Ed25519 key that everybody can make: for machines that live a minute. PKCS #8 of a seed (RFC 8410). */
function testKey(seed: string): { readonly pem: string; readonly authorized: string } {
  const secret = createHash('sha256').update(seed).digest();
  const key = createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), secret]),
    format: 'der',
    type: 'pkcs8',
  });
  const point = createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(-32);
  // RFC 8709: the key's type and its 32 bytes, each with its length in front.
  const field = (bytes: Buffer): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  return {
    pem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    authorized: `ssh-ed25519 ${Buffer.concat([field(Buffer.from('ssh-ed25519')), field(point)]).toString('base64')} test`,
  };
}

const KEY = testKey('the key of user core');
const SCRIPT = '#!/bin/sh\necho made by Ignition\n';

/** One config for all tests here: they fork from one machine. */
const CONFIG: IgnitionConfig = {
  ignition: { version: '3.3.0' },
  passwd: {
    groups: [{ name: 'crew', gid: 1500 }],
    users: [
      {
        name: 'core',
        uid: 1000,
        groups: ['crew', 'sudo'],
        shell: '/bin/bash',
        sshAuthorizedKeys: [KEY.authorized],
      },
    ],
  },
  storage: {
    directories: [{ path: '/var/lib/crew', mode: 0o770, user: { name: 'core' }, group: { name: 'crew' } }],
    files: [
      { path: '/etc/hostname', overwrite: true, mode: 0o644, contents: { source: 'data:,provisioned' } },
      { path: '/etc/secret', mode: 0o600, contents: { source: 'data:,a%20secret%0A' } },
      {
        path: '/opt/bin/hello',
        mode: 0o755,
        contents: {
          source: dataUrl(gzipSync(SCRIPT)),
          compression: 'gzip',
          verification: { hash: `sha512-${createHash('sha512').update(SCRIPT).digest('hex')}` },
        },
      },
      { path: '/etc/nftables.conf', append: [{ source: 'data:,%23%20appended%0A' }] },
    ],
    links: [
      { path: '/etc/localtime', target: '/usr/share/zoneinfo/Europe/Berlin', overwrite: true },
      { path: '/opt/bin/again', target: '/opt/bin/hello', hard: true },
    ],
  },
  systemd: {
    units: [
      {
        name: 'greet.service',
        enabled: true,
        contents:
          '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/opt/bin/hello\n\n[Install]\nWantedBy=multi-user.target\n',
      },
      { name: 'fstrim.timer', mask: true },
      {
        name: 'ssh.service',
        dropins: [{ name: '20-words.conf', contents: '[Service]\nEnvironment=WORDS=ours\n' }],
      },
    ],
  },
};

register({ name: 'ignition.files', config: CONFIG }, async (_t, { box }) => {
  assert.equal(await box.succeed('cat /etc/secret'), 'a secret');
  assert.equal(
    await box.succeed("stat -c '%a %U:%G' /etc/secret /opt/bin/hello /var/lib/crew"),
    '600 root:root\n755 root:root\n770 core:crew',
  );
  assert.equal(await box.succeed('/opt/bin/hello'), 'made by Ignition');
  assert.equal(await box.succeed('stat -c %h /opt/bin/again && date --date=@0 +%H'), '2\n01');
  // Appended to what the image ships.
  const shipped = await box.succeed('cat /usr/share/draisine/etc/nftables.conf');
  assert.equal(await box.succeed('cat /etc/nftables.conf'), `${shipped}\n# appended`);
  assert.equal(await box.succeed('hostname'), 'provisioned');
  // It ran as part of the first boot, and said so; the config itself does not lie about.
  assert.equal(await box.succeed('ls /.draisine-provisioned'), '/.draisine-provisioned');
});

register({ name: 'ignition.units', config: CONFIG }, async (_t, { box }) => {
  await box.waitForUnit('greet.service');
  assert.match(await box.journal('greet.service'), /made by Ignition/);
  assert.equal(await box.succeed('systemctl show --property=LoadState --value fstrim.timer'), 'masked');
  assert.equal(await box.succeed('systemctl show --property=Environment --value ssh.service'), 'WORDS=ours');
  // The drop-in came on top of the unit that the image ships, not in its place.
  assert.match(
    await box.succeed('systemctl show --property=FragmentPath ssh.service'),
    /=\/usr\/lib\/systemd\//,
  );
});

register({ name: 'ignition.user-ssh-key', config: CONFIG }, async (_t, { box }) => {
  assert.equal(
    await box.succeed('id core'),
    'uid=1000(core) gid=1000(core) groups=1000(core),27(sudo),1500(crew)',
  );
  assert.equal(await box.succeed("stat -c '%a %U:%G' ~core ~core/.ssh"), '700 core:core\n700 core:core');
  const ssh = (key: string): string =>
    `ssh -i ${key} -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR core@10.0.2.15`;
  await box.copyTo(Buffer.from(KEY.pem), '/root/key', { mode: 0o600 });
  await box.copyTo(Buffer.from(testKey('some other key').pem), '/root/other', { mode: 0o600 });
  await box.waitForPort(22, { address: '10.0.2.15' });
  assert.equal(
    await box.succeed(`${ssh('/root/key')} 'id -un; pwd; tty || true'`),
    'core\n/home/core\nnot a tty',
  );
  assert.match(await box.fail(`${ssh('/root/other')} true 2>&1`), /Permission denied \(publickey\)/);
  // On the screen, for a phone: how to log in. core is the only user with a key.
  await box.retry(
    async () =>
      await box.succeed(
        '[ "$(qrencode -t ANSIUTF8 -m 2 -l L ssh://core@10.0.2.15)" = "$(cat /run/draisine/screen.issue)" ]',
      ),
  );
  // A user that is not root: no rights, and none to be had.
  await box.fail(`${ssh('/root/key')} 'cat /etc/shadow || su -c true </dev/null'`);
});

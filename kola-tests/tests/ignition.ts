import assert from 'node:assert/strict';
import { CONFIG, KEY, testKey } from '../fixtures/provisioned.ts';
import { register } from '../harness/run/register.ts';

register(
  {
    name: 'ignition.files',
    what: 'Files, folders and links of the config exist with their owners and modes, and the host name is set.',
    config: CONFIG,
  },
  async (_t, { box }) => {
    assert.equal(await box.succeed('cat /etc/secret'), 'a secret');
    assert.equal(
      await box.succeed("stat -c '%a %U:%G' /etc/secret /opt/bin/hello /var/lib/crew"),
      '600 root:root\n755 root:root\n770 core:crew',
    );
    assert.equal(await box.succeed('/opt/bin/hello'), 'made by Ignition');
    assert.equal(await box.succeed('stat -c %h /opt/bin/again && date --date=@0 +%H'), '2\n01');
    // Appended to the file that the image ships.
    const shipped = await box.succeed('cat /usr/share/draisine/etc/nftables.conf');
    assert.equal(await box.succeed('cat /etc/nftables.conf'), `${shipped}\n# appended`);
    assert.equal(await box.succeed('hostname'), 'provisioned');
    // The mark of a first boot that has ended.
    assert.equal(await box.succeed('ls /.draisine-provisioned'), '/.draisine-provisioned');
  },
);

register(
  { name: 'ignition.units', what: 'Units and drop-ins of the config take effect.', config: CONFIG },
  async (_t, { box }) => {
    await box.waitForUnit('greet.service');
    assert.match(await box.journal('greet.service'), /made by Ignition/);
    assert.equal(await box.succeed('systemctl show --property=LoadState --value fstrim.timer'), 'masked');
    assert.equal(
      await box.succeed('systemctl show --property=Environment --value ssh.service'),
      'WORDS=ours',
    );
    // The drop-in adds to the unit that the image ships. It does not replace it.
    assert.match(
      await box.succeed('systemctl show --property=FragmentPath ssh.service'),
      /=\/usr\/lib\/systemd\//,
    );
  },
);

register(
  {
    name: 'ignition.user-ssh-key',
    what: 'A user of the config logs in with the right SSH key only, and has no other rights.',
    config: CONFIG,
  },
  async (_t, { box }) => {
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
    // The screen shows how to log in, with a code for a phone. core is the only user with a key.
    await box.retry(
      async () =>
        await box.succeed(
          '[ "$(qrencode -t ANSIUTF8 -m 2 -l L ssh://core@10.0.2.15)" = "$(cat /run/draisine/screen.issue)" ]',
        ),
    );
    // The user has no rights of root, and no way to get them.
    await box.fail(`${ssh('/root/key')} 'cat /etc/shadow || su -c true </dev/null'`);
  },
);

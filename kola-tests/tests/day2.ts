import assert from 'node:assert/strict';
import { applied, CONFIG, file, nextConfig, service } from '../fixtures/applying.ts';
import { register } from '../harness/run/register.ts';

register(
  {
    name: 'day2.apply',
    what: 'A running machine applies a changed config: files and units are added, changed and removed, and nothing else restarts.',
    machines: { box: { start: 'first-boot', firmware: 'none' } },
    config: {
      ignition: { version: '3.3.0' },
      storage: {
        files: [file('/etc/old.conf', 'old\n'), file('/etc/nftables.conf', 'table inet mine {}\n')],
      },
      systemd: { units: [service('going.service', 'true'), service('same.service', 'true')] },
    },
    timeout: 240,
  },
  async (_t, { box }) => {
    assert.equal(await box.succeed("stat -c '%a' /var/lib/draisine/config/provisioned.json"), '600');
    const since = await box.succeed('systemctl show --value -p ActiveEnterTimestampMonotonic same.service');
    await nextConfig(box, ({ storage, systemd }) => {
      storage.files = storage.files.filter(({ path }) => !/old\.conf|nftables/.test(path));
      storage.files.push(file('/etc/new/new.conf', 'new\n'));
      systemd.units = systemd.units.filter(({ name }) => name !== 'going.service');
      systemd.units.push(service('coming.service', 'echo here >/run/coming'));
    });
    const plan = await box.succeed(`draisine apply --plan ${CONFIG}`);
    for (const line of [
      '- /etc/old.conf',
      '+ /etc/new/new.conf',
      '! stop going.service',
      '! start coming.service',
    ])
      assert.ok(plan.includes(line), `${line} is not in the plan:\n${plan}`);
    assert.equal(await box.succeed('cat /etc/old.conf'), 'old');

    const { id, result, troubles } = await applied(box);
    assert.equal(result, 'waits for confirmation', troubles.join('\n'));
    assert.equal(await box.succeed('cat /run/coming /etc/new/new.conf'), 'here\nnew');
    await box.fail('test -e /etc/old.conf || systemctl is-active going.service');
    assert.match(
      await box.succeed('cat /etc/nftables.conf'),
      /containers do not reach/,
      'the release’s own again',
    );
    await box.succeed(`draisine apply --confirm ${id}`);
    await box.fail(`systemctl is-active draisine-apply-revert-${id}.timer`);
    assert.equal(
      await box.succeed('systemctl show --value -p ActiveEnterTimestampMonotonic same.service'),
      since,
      'a unit that did not change was started again',
    );
    assert.equal((await applied(box)).result, 'nothing to do');

    // A person has changed a file of the config by hand.
    await box.succeed('echo by hand >/etc/new/new.conf');
    await nextConfig(box, ({ storage }) => storage.files.push(file('/etc/new/new.conf', 'newer\n')));
    const refused = await box.execute(`draisine apply ${CONFIG}`);
    assert.match(refused.stderr, /changed by hand on the machine.*\/etc\/new\/new\.conf.*--take-mine/);

    await box.reboot();
    assert.equal(await box.succeed('cat /run/coming; systemctl is-system-running'), 'here\nrunning');
  },
);

const NEEDS = {
  ...service('needs.service', 'true'),
  contents: `[Unit]\nRequires=steady.service\nAfter=steady.service\n${service('needs.service', 'true').contents}`,
};

register(
  {
    name: 'day2.goes-back',
    what: 'A change that locks the administrator out, or breaks a unit, is reverted by itself.',
    machines: { box: { firmware: 'none' } },
    timeout: 400,
  },
  async (_t, { box }) => {
    const address = (await box.succeed('ip -o -4 addr show scope global')).split(/\s+/)[3] ?? '';

    // Nobody can log in any more, so nobody confirms.
    await nextConfig(box, ({ storage }) => {
      storage.files.push(
        file(
          '/etc/nftables.conf',
          'table inet draisine {\n chain input {\n  type filter hook input priority filter; policy drop;\n }\n}\n',
        ),
        file(
          '/etc/systemd/network/10-wrong.network',
          '[Match]\nName=en* eth*\n[Network]\nAddress=192.0.2.9/24\nGateway=192.0.2.1\n',
        ),
        file('/etc/ssh/sshd_config.d/10-wrong.conf', 'ListenAddress 192.0.2.9\n'),
      );
    });
    assert.equal((await applied(box, '--within 30')).result, 'waits for confirmation');
    assert.match(await box.succeed('nft list table inet draisine'), /policy drop/);
    await box.waitUntilSucceeds('! test -e /var/lib/draisine/config/journal.json', { seconds: 90 });
    await box.waitUntilSucceeds(`ip -o -4 addr show | grep -F ${address}`, { seconds: 60 });
    await box.fail(
      'test -e /etc/systemd/network/10-wrong.network -o -e /etc/ssh/sshd_config.d/10-wrong.conf',
    );
    assert.doesNotMatch(await box.succeed('nft list table inet draisine'), /policy drop/);
    assert.match(
      await box.succeed('timeout 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/22; head -c 8 <&3"'),
      /^SSH-2/,
    );

    // A new unit does not start. Another one, which a third one needs, does not start any more.
    await nextConfig(box, ({ systemd }) => systemd.units.push(service('steady.service', 'true'), NEEDS));
    await box.succeed(`draisine apply --confirm ${(await applied(box)).id}`);
    await nextConfig(box, ({ systemd }) =>
      systemd.units.push(service('broken.service', 'exit 3'), service('steady.service', 'exit 3'), NEEDS),
    );
    const broken = await applied(box);
    assert.equal(broken.result, 'went back');
    assert.match(broken.troubles.join(), /broken\.service/);
    await box.fail('test -e /etc/systemd/system/broken.service');
    assert.equal(
      await box.succeed('systemctl is-active steady.service needs.service; systemctl is-system-running'),
      'active\nactive\nrunning',
      'a unit that failed with its new file, and one that needs it, run again',
    );

    // The power fails during an apply. The initrd reverts everything before any unit starts.
    await nextConfig(box, ({ storage, systemd }) => {
      storage.files.push(file('/etc/half.conf', 'x'));
      systemd.units.push(service('slow.service', 'sync; sleep 600'));
    });
    await box.succeed(`systemd-run --quiet draisine apply ${CONFIG}`);
    await box.waitUntilSucceeds(
      'systemctl is-active slow.service || systemctl show -p ActiveState slow.service | grep activating',
    );
    await box.crash();
    await box.start();
    await box.fail('test -e /etc/half.conf -o -e /etc/systemd/system/slow.service');
    assert.equal(
      await box.succeed('test -e /var/lib/draisine/config/reverted.json && systemctl is-system-running'),
      'running',
    );
  },
);

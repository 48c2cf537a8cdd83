import assert from 'node:assert/strict';
import { ignitionVerb } from '../harness/guest/draisine.ts';
import { fixture } from '../harness/machine/provision.ts';
import { register } from '../harness/run/register.ts';

// A config of spec 2, as users of Flatcar have it, after `ignition translate`.
register(
  {
    name: 'ignition.translated',
    what: 'A config of Ignition version 2 works after its translation.',
    machines: { box: { start: 'off', firmware: 'none', disks: [{ name: 'data', size: 64 }] } },
    timeout: 240,
  },
  async (_t, { box }) => {
    const old = fixture('machines/flatcar-v2.json');
    await box.firstBoot(await ignitionVerb('translate', old, '--filesystem', 'data=/var/data'));

    assert.equal(await box.succeed('hostname; date --date=@0 +%H'), 'from-v2\n09');
    assert.equal(await box.succeed('id -Gn core'), 'core crew');
    assert.equal(await box.succeed('tail -n 1 /etc/nftables.conf'), '# from v2');
    assert.equal(await box.succeed("stat -c '%a %G' /var/lib/crew"), '770 crew');
    assert.equal(await box.succeed('findmnt --noheadings --output FSTYPE /var/data'), 'ext4');
    assert.equal(
      await box.succeed("cat /var/data/below/file && stat -c ' %a' /var/data/below/file"),
      'on data 640',
    );
    assert.equal(await box.succeed('systemctl show --property=Environment --value ssh.service'), 'WORDS=v2');
    assert.equal(await box.succeed('cat /etc/systemd/network/50-idle.network'), '[Match]\nName=idle0');
    assert.match(await box.succeed('ls ~core/.ssh/authorized_keys.d'), /ignition/);
  },
);

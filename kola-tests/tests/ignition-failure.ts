import assert from 'node:assert/strict';
import type { IgnitionConfig } from '../harness/guest/ignition.ts';
import { serve } from '../harness/guest/web.ts';
import type { Machine } from '../harness/machine/machine.ts';
import { unprovision } from '../harness/machine/provision.ts';
import { register } from '../harness/run/register.ts';

const V = { version: '3.3.0' };

/** The lines of the emergency message, from the blank line before them to the last one. */
function message(console: string): string[] {
  const found = /\*\*\* This machine could not start\.[\s\S]*\*\*\* Boot stops here\.[^\n]*/.exec(
    console.slice(console.lastIndexOf('*** This machine could not start.')),
  );
  return found ? found[0].split(/\r?\n/) : [];
}

/** Boots a machine that must fail. Its message must be short, name the stage, and match. */
async function fails(box: Machine, stage: string, cause: RegExp): Promise<void> {
  const lines = message(await box.bootFails({ seconds: 60 }));
  const text = lines.join('\n');
  assert.ok(lines.length > 0 && lines.length <= 10, `${lines.length} lines:\n${text}`);
  assert.match(text, new RegExp(`\\*\\*\\* failed: ${stage}$`, 'm'));
  assert.match(text, cause);
  assert.match(text, /\*\*\* Full log: boot-failure\.log on the EFI system partition of the boot disk\./);
}

// After each failure the machine can start over. So one machine has all the failures in turn, and boots at the end.
register(
  {
    name: 'ignition.failures',
    what: 'A config that cannot be applied stops the boot with a short and clear message, and can be corrected.',
    machines: { box: { firmware: 'none' } },
    timeout: 600,
  },
  async (t, { box }) => {
    const web = await serve({ files: { '/file': 'not what was expected' } });
    t.after(() => web.close());
    const hash = `sha512-${'0'.repeat(128)}`;
    const file = (path: string, contents: object): IgnitionConfig => ({
      ignition: V,
      storage: { files: [{ path, contents }] },
    });

    await unprovision(box, file('/etc/file', { source: `${web.url}/file`, verification: { hash } }));
    await fails(
      box,
      'Ignition, stage files',
      new RegExp(`/etc/file.*hash verification failed[\\s\\S]*\\nfrom: ${web.url}/file$`, 'm'),
    );
    assert.deepEqual(web.requests, ['GET /file']);

    await box.configure(file('etc/file', { source: 'data:,x' }));
    await fails(
      box,
      'Ignition, stage fetch-offline',
      /error at \$\.storage\.files\.0\.path.*: path not absolute/,
    );

    await box.configure({ ignition: V, passwd: { users: [{ name: 'core', groups: ['nosuch'] }] } });
    await fails(box, 'Ignition, stage files', /group 'nosuch' does not exist/);

    await box.configure({
      ...file('/etc/file', { source: 'data:,a%20secret%20of%20the%20config' }),
      kernelArguments: { shouldNotExist: ['quiet'] },
    });
    await fails(
      box,
      'Ignition, stage kargs',
      /cannot be removed, it is part of the unified kernel image: quiet/,
    );

    await box.configure(file('/etc/file', { source: 'data:,mended' }));
    await box.start();
    assert.equal(await box.succeed('cat /etc/file'), 'mended');
    const log = await box.succeed(
      'mount -o ro /dev/disk/draisine/esp /mnt && cat /mnt/boot-failure.log && umount /mnt',
    );
    assert.match(log, /ignition-kargs\.service: Failed with result/);
    // Ignition's log ends with the config. Its keys must not get onto the ESP.
    assert.match(log, /Ignition failed: /);
    assert.doesNotMatch(log, /a%20secret/);
  },
);

// Ignition waits for a missing disk, because a disk may be slow.
register(
  {
    name: 'ignition.disk-missing',
    what: 'If the machine lacks a disk that the config names, the boot stops and names that disk.',
    machines: { box: { firmware: 'none' } },
    timeout: 300,
    waits: true,
  },
  async (_t, { box }) => {
    const device = '/dev/disk/by-id/virtio-nowhere';
    await unprovision(box, {
      ignition: V,
      storage: { filesystems: [{ device, format: 'ext4', path: '/var/data' }] },
    });
    await fails(box, 'Ignition, stage disks', /virtio-nowhere/);
  },
);

register(
  {
    name: 'ignition.disk-too-small',
    what: 'The boot stops on a disk that is too small, and says how large it must be.',
    machines: { box: { firmware: 'none', start: 'off', systemSize: 3072 } },
    timeout: 120,
  },
  async (_t, { box }) => {
    await fails(
      box,
      'draisine-repart.service',
      /the boot disk is too small for slot B and a state partition of 4G: it must have 2 GiB more than that/,
    );
  },
);

/** Enough files that a power cut can hit while they are written. */
const MANY: IgnitionConfig = {
  ignition: V,
  storage: {
    files: Array.from({ length: 200 }, (_, index) => ({
      path: `/etc/many/${index}`,
      contents: { source: `data:,${index}` },
    })),
  },
  systemd: {
    units: [
      {
        name: 'counted.service',
        enabled: true,
        contents:
          '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c "echo once >>/var/lib/counted"\n[Install]\nWantedBy=multi-user.target\n',
      },
    ],
  },
};

/** The moments of the power cuts: console lines of the initrd's systemd, which shortens them to the console's width. */
const MOMENTS = [
  /Starting .*draisine-rep/,
  /Finished .*draisine-rep/,
  /Starting .*ignition-disks/,
  /Starting .*ignition-files/,
  /Starting .*draisine-pro/,
];

register(
  {
    name: 'ignition.power-cut',
    long: 'a series of power cuts, each with a boot',
    what: 'A power cut at any step of the first boot does no harm: the next boot finishes it.',
    machines: { box: { firmware: 'none', start: 'off', kernelArguments: 'systemd.show_status=yes' } },
    config: MANY,
    timeout: 600,
  },
  async (_t, { box }) => {
    for (const moment of MOMENTS) {
      await box.powerOn();
      await box.waitForConsole(moment, { seconds: 60 });
      await box.crash();
    }
    await box.start();
    assert.equal(
      await box.succeed(
        'for i in $(seq 0 199); do cat /etc/many/$i; done; echo; ls /etc/many | wc -l; cat /var/lib/counted',
      ),
      `${Array.from({ length: 200 }, (_, index) => index).join('')}\n200\nonce`,
    );
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
  },
);

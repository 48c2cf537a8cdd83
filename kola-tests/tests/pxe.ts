import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdtemp, open, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { startServe } from '../harness/guest/draisine.ts';
import { EMPTY_CONFIG, type IgnitionConfig } from '../harness/guest/ignition.ts';
import { ignitionText } from '../harness/machine/boot.ts';
import { BUSYBOX } from '../harness/machine/busybox.ts';
import type { Machine } from '../harness/machine/machine.ts';
import { register } from '../harness/run/register.ts';

/* Machines without an installed disk, booted over the network by `draisine serve --http-only`. */

/** Checks that the system runs with a verified /usr, nothing of it is on a disk, and the network works. */
async function isLive(box: Machine): Promise<void> {
  assert.equal(await box.succeed('systemctl is-system-running'), 'running');
  assert.equal(await box.succeed('findmnt --noheadings --output FSTYPE /'), 'tmpfs');
  assert.match(await box.succeed('dmsetup status usr'), /verity V/);
  await box.fail('touch /usr/x');
  await box.waitUntilSucceeds('networkctl --no-pager | grep "routable *configured"');
}

const named = (name: string): IgnitionConfig => ({
  ignition: { version: '3.3.0' },
  storage: { files: [{ path: '/etc/hostname', overwrite: true, contents: { source: `data:,${name}` } }] },
});

async function folder(): Promise<string> {
  return await mkdtemp(join(tmpdir(), `draisine-pxe-${process.pid}-`));
}

/** The folder with the manifest of the image under test. */
async function published(box: Machine): Promise<string> {
  return dirname(await box.artifact('boot.ipxe'));
}

/** A static address in QEMU's user network; its DHCP server gives 10.0.2.15. */
const STATIC = 'ip=10.0.2.77::10.0.2.2:255.255.255.0:::none nameserver=10.0.2.3';

const BOARD = '8f3c1b52-4a0e-4f7e-9d6a-2b1c5e7a9d30';

// 768 MiB hold the downloaded files, the system that runs from them, and a container.
register(
  {
    name: 'pxe.ipxe',
    what: 'A machine boots by iPXE, gets the config for its hardware address, and runs a container.',
    machines: {
      box: { memory: 768, start: 'off', uuid: BOARD, disks: [{ name: 'oci', artifact: 'oci-busybox' }] },
    },
    timeout: 240,
  },
  async (t, { box }) => {
    const configs = await folder();
    // One config for this hardware address, and another for all other machines.
    await writeFile(join(configs, '52-54-00-00-00-00.ign'), ignitionText(named('by-its-address')));
    await writeFile(join(configs, 'default.ign'), JSON.stringify(named('anybody')));
    const server = await startServe(
      await published(box),
      ...['--config', configs, '--args', `${box.kernelArguments} ${STATIC} draisine.test=1`],
    );
    try {
      box.netboot({ by: 'ipxe', url: `${server.url}boot.ipxe` });
      await box.powerOn();
      // Firmware, download and verification come on top of what a boot may take.
      await box.waitForConsole(/ login: /, { seconds: 200 });
      await box.ready();
      await isLive(box);
      assert.equal(await box.succeed('hostname'), 'by-its-address');
      await box.succeed('grep -w draisine.test=1 /proc/cmdline');
      // The address of the kernel command line holds in the initrd and after it.
      assert.equal(await box.succeed("ip -4 -o addr show scope global | awk '{ print $4 }'"), '10.0.2.77/24');
      // A pool recognizes the machine at its next boot, although the machine keeps nothing.
      assert.equal(
        await box.succeed('modprobe zfs && hostid'),
        createHash('sha256').update(`${BOARD}\n`).digest('hex').slice(0, 8),
      );
      // The installer's kernel.
      await box.succeed('wget -q -O /dev/null "$(sed "s/.*draisine.uki=//; s/ .*//" /proc/cmdline)"');
      t.diagnostic(await box.succeed('free -m | awk \'/^Mem/ { print $3 + $5 " MiB used of " $2 }\''));
      await box.succeed(`podman load --quiet --input ${box.disk('oci')}`);
      assert.equal(
        await box.succeed(`podman run --rm --network=none --entrypoint=/bin/busybox ${BUSYBOX} echo hello`),
        'hello',
      );
      for (const asked of ['GET /boot.ipxe', 'GET /vmlinuz', 'GET /usr.img', 'GET /config/52-54-00-00-00-00'])
        assert.ok(server.said().includes(asked), `${asked}:\n${server.said()}`);
    } finally {
      await server.close();
      await rm(configs, { recursive: true });
    }
  },
);

// One bit of the downloaded /usr is changed. The machine reports it and stops before it runs a program of that /usr.
register(
  {
    name: 'pxe.tampered',
    what: 'A machine refuses a /usr that was changed on its way over the network.',
    machines: { box: { memory: 768, start: 'off' } },
    timeout: 120,
  },
  async (_t, { box }) => {
    const from = await published(box);
    const out = await folder();
    const manifest = JSON.parse(await readFile(join(from, 'manifest.json'), 'utf8')) as {
      artifacts: { path: string }[];
    };
    for (const { path } of manifest.artifacts)
      if (path !== 'usr.img') await symlink(join(from, path), join(out, path));
    await copyFile(join(from, 'manifest.json'), join(out, 'manifest.json'));
    await copyFile(join(from, 'usr.img'), join(out, 'usr.img'));
    await flipBit(join(out, 'usr.img'), 40_000_000);
    const server = await startServe(join(out, 'manifest.json'), '--args', box.kernelArguments);
    try {
      box.netboot({ by: 'ipxe', url: `${server.url}boot.ipxe` });
      const console = await box.bootFails();
      assert.match(console, /\*\*\* failed: draisine-usr\.service/);
      assert.match(
        console,
        /usr\.img is not the \/usr of this kernel's usrhash=, or was tampered with: refused/,
      );
    } finally {
      await server.close();
      await rm(out, { recursive: true });
    }
  },
);

async function flipBit(path: string, offset: number): Promise<void> {
  await chmod(path, 0o644);
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, offset);
  byte.writeUInt8(byte.readUInt8(0) ^ 1);
  await file.write(byte, 0, 1, offset);
  await file.close();
}

// OVMF fetches and starts one file with the kernel, the initrd and /usr.
register(
  {
    name: 'pxe.http-boot',
    what: 'The firmware boots the system over HTTP from one file.',
    machines: { box: { memory: 1024, start: 'off' } },
    config: EMPTY_CONFIG,
    timeout: 240,
  },
  async (_t, { box }) => {
    const server = await startServe(await published(box));
    try {
      box.netboot({ by: 'http', url: `${server.url}http.efi` });
      await box.powerOn();
      // Firmware, download and verification come on top of what a boot may take.
      await box.waitForConsole(/ login: /, { seconds: 200 });
      await box.ready();
      await isLive(box);
      assert.match(server.said(), /GET \/http\.efi {2}200/);
      assert.ok(!server.said().includes('/usr.img'));
      await box.succeed('test -s /run/draisine/uki.efi');
      await box.fail('test -e /usr.img');
    } finally {
      await server.close();
    }
  },
);

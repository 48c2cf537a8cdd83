import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { sdkTree } from '../../build/image/sdk.ts';
import { sha256 } from '../../sdk/lib/files.ts';
import { toolCommand } from '../../sdk/tool.ts';

const draisine = fileURLToPath(new URL('../../draisine', import.meta.url));

/** The reason why this host cannot make a network with name spaces and a TAP device; false: it can. */
async function lacks(): Promise<string | false> {
  try {
    await promisify(execFile)('unshare', ['-rn', 'ip', 'tuntap', 'add', 'tap0', 'mode', 'tap']);
    return false;
  } catch (error) {
    return `this host has no network name spaces with TAP devices: ${(error as Error).message.split('\n')[1]}`;
  }
}

/** A fake image for `serve`. Only the content of its script matters. */
async function fakeImage(folder: string): Promise<void> {
  const files: Record<string, string> = {
    ...{ kernel: 'vmlinuz', initrd: 'initrd.img', 'pxe.initrd': 'pxe.initrd', 'usr.img': 'usr.img' },
    ...{ uki: 'uki.efi', 'http.efi': 'http.efi', 'boot.ipxe': 'boot.ipxe' },
  };
  const artifacts = [];
  for (const [name, path] of Object.entries(files)) {
    const text = name === 'boot.ipxe' ? `#!ipxe\nimgfetch \${base}usr.img\npoweroff\n` : name;
    await writeFile(join(folder, path), text);
    artifacts.push({ name, path, size: text.length, sha256: sha256(text) });
  }
  const zero = '0'.repeat(64);
  const manifest = { name: 'n100', version: '1', lock: zero, usrHash: zero, artifacts, packages: [] };
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
}

// The firmware asks for an address and gets iPXE by TFTP. iPXE then gets the script. DHCP, TFTP and HTTP are those of
// `serve`.
test('UEFI PXE on a private network', { skip: await lacks(), timeout: 400_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'draisine-dhcp-'));
  try {
    await mkdir(join(folder, 'image'));
    await fakeImage(join(folder, 'image'));
    const qemu = await sdkTree('sdk-qemu');
    await sdkTree('sdk-serve');
    await cp(join(qemu, 'usr/share/OVMF/OVMF_VARS_4M.fd'), join(folder, 'vars.fd'));
    const data = ['qemu', 'seabios'].flatMap((dir) => ['-L', join(qemu, 'usr/share', dir)]);
    const flash = (file: string, more = '') => ['-drive', `if=pflash,format=raw,file=${file}${more}`];
    const machine = toolCommand(qemu, 'qemu-system-x86_64', [
      ...data,
      ...['-nodefaults', '-machine', 'q35', '-cpu', 'max,la57=off', '-m', '256', '-display', 'none'],
      ...flash(join(qemu, 'usr/share/OVMF/OVMF_CODE_4M.fd'), ',readonly=on'),
      ...flash(join(folder, 'vars.fd')),
      ...['-device', 'virtio-rng-pci', '-netdev', 'tap,id=n,ifname=tap0,script=no,downscript=no'],
      ...['-device', 'virtio-net-pci,netdev=n,bootindex=0,romfile=,mac=52:54:00:00:00:07'],
    ]);
    const quoted = [machine.file, ...machine.args].map((word) => `'${word}'`).join(' ');
    // The other end of a cable in the bridge: a bridge is up only if one of its ports is up.
    const script = `
      ip link add br0 type bridge && ip link add v0 type veth peer name v1
      ip tuntap add tap0 mode tap
      for port in v0 tap0; do ip link set $port master br0 up; done
      ip link set v1 up; ip link set br0 up; ip address add 10.9.0.1/24 dev br0
      until ip link show br0 | grep -q 'state UP'; do sleep 0.2; done
      ${quoted} & machine=$!
      '${draisine}' serve '${folder}/image' --interface br0 --dhcp 10.9.0.10,10.9.0.20 & serve=$!
      trap 'kill $machine $serve; wait' TERM EXIT
      wait $machine`;
    const child = spawn('unshare', ['-rn', 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const done = new Promise<void>((resolve) => {
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => {
          said += text;
          if (said.includes('GET /usr.img')) child.kill('SIGTERM');
        });
      child.once('close', () => resolve());
    });
    await done;
    for (const step of [
      /DHCPACK\(br0\) 10\.9\.0\.\d+ 52:54:00:00:00:07/,
      /sent TFTP snponly\.efi/,
      /GET \/boot\.ipxe {2}200/,
      /GET \/usr\.img {2}200/,
    ])
      assert.match(said, step);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

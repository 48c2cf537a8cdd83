import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { badInput } from '../../sdk/lib/errors.ts';
import { probeAcceleration } from '../harness/qemu/accel.ts';
import { readArtifacts } from '../harness/qemu/artifacts.ts';
import { type Device, type DiskFile, diskDevice, macAddress, nicDevice } from '../harness/qemu/devices.ts';
import { createBlank, createOverlay } from '../harness/qemu/disks.ts';
import { emulatorOf } from '../harness/qemu/emulator.ts';
import { forwardPort } from '../harness/qemu/forward.ts';
import { FIRST_HOTPLUG_SLOT, type Hardware, qemuArguments } from '../harness/qemu/qemu-args.ts';
import { connectQmp } from '../harness/qemu/qmp.ts';
import { sweepTemporary } from '../harness/qemu/rundir.ts';
import { qemuTree } from '../harness/qemu/tree.ts';
import { buildIfMissing, checkImageName } from './build.ts';
import { OUT, parseMebibytes } from './options.ts';
import { type Given, machineConfig, ownConfig, ownKeys, readConfig } from './run-config.ts';

/** The size of the disk in MiB: the image, and space for the partitions of the first boot. */
const SYSTEM_SIZE = 8192;
/** Seconds of a first boot with its firmware, on two cores (docs/measured.md). */
const BOOT_SECONDS = { kvm: 15, tcg: 60 };

/** The options of `run`. */
export interface RunOptions {
  readonly ignition?: string;
  /** False with --no-config: the machine finds no config, and nobody can log in. */
  readonly config: boolean;
  readonly memory: string;
  readonly cpus: number;
  readonly disk: readonly string[];
  readonly boot: string;
}

/** `./draisine run`: boots an image on this terminal. The machine writes to a temporary copy, never to the artifact. */
export async function runImage(name: string, options: RunOptions): Promise<number> {
  const { boot } = options;
  if (boot !== 'disk' && boot !== 'usb' && boot !== 'iso')
    throw badInput(`--boot takes disk, usb or iso: ${boot}`);
  checkImageName(name);
  const memory = parseMebibytes(options.memory, '--memory');
  const sizes = options.disk.map((size) => parseMebibytes(size, '--disk'));
  const given = options.ignition === undefined ? undefined : await readConfig(options.ignition);
  sweepTemporary();
  const dir = await mkdtemp(join(tmpdir(), `draisine-run-${process.pid}-`));
  try {
    // Checked before the build: an error in the config shows within a second.
    const config = options.config ? await configFile(given, dir) : undefined;
    await buildIfMissing(name);
    const image = await readArtifacts(OUT, name);
    const artifact = await image.get(boot === 'iso' ? 'iso' : 'disk');
    const emulator = await emulatorOf(await qemuTree());
    const accel = await probeAcceleration(emulator, await image.get('kernel'));
    const raw = { path: artifact.path, format: 'raw' } as const;
    const system =
      boot === 'iso'
        ? { ...raw, readOnly: true }
        : await createOverlay(emulator, join(dir, 'system.qcow2'), raw, SYSTEM_SIZE);
    const vars = join(dir, 'vars.fd');
    await writeFile(vars, await readFile(emulator.ovmfVars));
    const bus = ({ disk: 'virtio', usb: 'usb', iso: 'cd' } as const)[boot];
    const devices = [
      diskDevice({ name: 'system', bus, serial: 'system', blockSize: 512 }, system, 0, 0),
      userNic(),
    ];
    for (const [index, size] of sizes.entries()) {
      const file = await createBlank(emulator, join(dir, `disk${index}.qcow2`), size);
      devices.push(dataDisk(index, file));
    }
    const hardware: Hardware = {
      ...{ name, memory, cpus: options.cpus, accel, devices, usb: bus === 'usb', display: false },
      ...{
        firmwareVars: vars,
        incoming: false,
        terminal: true,
        ...(config ? { config } : {}),
      },
    };
    const command = emulator.system(qemuArguments(hardware, dir, emulator));
    process.stderr.write(
      `${accel.why}\nto do: boot ${name}, about ${BOOT_SECONDS[accel.kind]} s to the login prompt\n`,
    );
    const child = spawn(command.file, command.args, { env: command.env, stdio: 'inherit' });
    const ended = new Promise<number>((done, reject) => {
      child.once('error', reject);
      child.once('close', (code) => done(code ?? 1));
    });
    // Ctrl-C goes to the guest; Ctrl-A X ends QEMU. QEMU ends whenever this process ends.
    process.on('SIGINT', () => {});
    process.once('exit', () => child.kill('SIGKILL'));
    // A closed terminal or a signal ends QEMU, as Ctrl-A X does.
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.once(signal, () => child.kill('SIGTERM'));
    try {
      const qmp = await connectQmp(join(dir, 'qmp.sock'), { timeoutMs: 10_000 });
      const ssh = await forwardPort(qmp, 22);
      process.stderr.write(
        `ssh -p ${ssh} root@127.0.0.1 (with a key from the machine config) · Ctrl-A X ends it · its writes are lost at the end\n`,
      );
      await qmp.execute('cont');
      qmp.close();
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
    return (await ended) === 0 ? 0 : 1;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** The config file for QEMU: the given config, or one with the keys of the person who runs this. */
async function configFile(given: Given | undefined, dir: string): Promise<string> {
  if (given !== undefined) return await machineConfig(given, dir);
  const keys = await ownKeys();
  const from =
    keys.length > 0 ? `your ${keys.length} public keys from ~/.ssh` : 'no key, as there is none in ~/.ssh';
  process.stderr.write(`no --ignition: a machine config with ${from}, and a root shell on this terminal\n`);
  const path = join(dir, 'ignition.json');
  await writeFile(path, JSON.stringify(ownConfig(keys)));
  return path;
}

function userNic(): Device {
  return nicDevice({ model: 'virtio', network: 'user' }, 0, 1, macAddress(0, 0));
}

function dataDisk(index: number, file: DiskFile): Device {
  const name = `disk${index + 1}`;
  return diskDevice({ name, bus: 'virtio', serial: name, blockSize: 512 }, file, FIRST_HOTPLUG_SLOT + index);
}

import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../../sdk/lib/errors.ts';
import { withAgent } from '../guest/agent.ts';
import type { IgnitionConfig } from '../guest/ignition.ts';
import { indent } from '../qemu/console.ts';
import { type Device, type DiskFile, diskDevice, macAddress, nicDevice } from '../qemu/devices.ts';
import type { DirectBoot } from '../qemu/direct.ts';
import { createBlank, createOverlay } from '../qemu/disks.ts';
import { type Disk, isHotPluggable } from '../qemu/parts.ts';
import { FIRST_HOTPLUG_SLOT, type Hardware } from '../qemu/qemu-args.ts';
import { Trouble } from '../qemu/trouble.ts';
import type { Vm } from '../qemu/vm.ts';
import { allEnded } from '../qemu/wait.ts';
import type { Lab } from './lab.ts';
import type { Plan } from './spec.ts';

/** The files of a machine, in its folder. */
export interface MachineFiles {
  readonly system: DiskFile;
  readonly disks: ReadonlyMap<string, DiskFile>;
  readonly firmwareVars: string;
  /** Undefined if QEMU gives the machine no config. */
  readonly config?: string;
}

/** The files that a new machine starts from: the artifact, or those of a snapshot. */
export interface Origin {
  readonly system: DiskFile;
  readonly disks: ReadonlyMap<string, DiskFile>;
  readonly firmwareVars: string;
}

/** The image as it was built, as the origin of a machine's disk and firmware variables. */
export function artifactOrigin(lab: Lab): Origin {
  return {
    system: { path: lab.disk.path, format: 'raw' },
    disks: new Map(),
    firmwareVars: lab.emulator.ovmfVars,
  };
}

/** The text of a machine's config, with the harness's agent added. */
export function ignitionText(config: IgnitionConfig): string {
  return `${JSON.stringify(withAgent(config), undefined, 2)}\n`;
}

/**
 * Makes a machine's files in `dir`: overlays, blank disks, a copy of the firmware's variables, the Ignition config with
 * the agent.
 */
export async function createFiles(lab: Lab, plan: Plan, dir: string, origin: Origin): Promise<MachineFiles> {
  try {
    return await layOut(lab, plan, dir, origin);
  } catch (error) {
    throw new Trouble(`the files of a machine cannot be made: ${messageOf(error)}`, {
      where: dir,
      hint: 'check the free space, and whether the cache was cleared meanwhile',
      cause: error,
    });
  }
}

async function layOut(lab: Lab, plan: Plan, dir: string, origin: Origin): Promise<MachineFiles> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const firmwareVars = join(dir, 'vars.fd');
  const config = join(dir, 'ignition.json');
  const disks = new Map<string, DiskFile>();
  const [system] = await allEnded([
    createOverlay(lab.emulator, join(dir, 'system.qcow2'), origin.system, plan.systemSize),
    copyFile(origin.firmwareVars, firmwareVars),
    writeFile(config, ignitionText(plan.config)),
    ...plan.disks.map(async (disk) => {
      disks.set(
        disk.name,
        await createDisk(lab, disk, join(dir, `disk-${disk.name}.qcow2`), origin.disks.get(disk.name)),
      );
    }),
  ]);
  return { system, disks, firmwareVars, config };
}

async function createDisk(
  lab: Lab,
  disk: Disk,
  path: string,
  backing: DiskFile | undefined,
): Promise<DiskFile> {
  if (disk.artifact !== undefined)
    return { path: (await lab.image.get(disk.artifact)).path, format: 'raw', readOnly: true };
  if (disk.file !== undefined) return { path: disk.file, format: 'raw', readOnly: true };
  const under =
    backing ?? (disk.over === undefined ? undefined : ({ path: disk.over, format: 'raw' } as const));
  if (under) return await createOverlay(lab.emulator, path, under, disk.size ?? 0);
  return await createBlank(lab.emulator, path, disk.size ?? 0);
}

/** A machine's devices in order: the system disk, its disks, its NICs. Slots depend on the whole plan only. */
export interface Devices {
  /** Devices that are present when the machine is powered on. */
  readonly cold: readonly Device[];
  /** Devices that are plugged into a fork after its start. In other machines they are present from the start. */
  readonly hot: readonly Device[];
}

/**
 * Makes the devices of a machine. `machine`: its number in the test, from 1. `networks` returns the socket of a layer-2
 * network.
 */
export function devicesOf(
  plan: Plan,
  files: MachineFiles,
  machine: number,
  networks: (name: string) => string,
): Devices {
  const system = { name: 'system', bus: plan.systemBus, serial: 'system', blockSize: 512 } as const;
  const cold: Device[] = [diskDevice(system, files.system, 0, 1)];
  const hot: Device[] = [];
  let slot = FIRST_HOTPLUG_SLOT;
  let sata = 1;
  for (const disk of plan.disks) {
    const file = files.disks.get(disk.name);
    if (!file) throw new Failure(`disk ${disk.name} has no file`);
    const index = disk.bootFirst ? 0 : undefined;
    if (isHotPluggable(disk)) hot.push(diskDevice(disk, file, slot++, index));
    else cold.push(diskDevice(disk, file, sata++, index));
  }
  plan.nics.forEach((nic, index) => {
    const user = nic.network === 'user';
    const first = index === 0 && user;
    // All machines have the address of the first one, because forks of one snapshot have it already. User networks are
    // not connected to each other.
    const mac = macAddress(first ? 0 : machine, index);
    const device = nicDevice(nic, index, first ? 1 : slot++, mac, user ? undefined : networks(nic.network));
    if (first) cold.push(device);
    else hot.push(device);
  });
  return { cold, hot };
}

/** The part of a plan that exists before the fork. Machines with the same part share a snapshot. */
export function coldPlan(plan: Plan): Plan {
  return {
    ...plan,
    firmware: 'uefi',
    disks: plan.disks.filter((disk) => !isHotPluggable(disk)),
    nics: plan.nics.slice(0, 1).filter(({ network }) => network === 'user'),
  };
}

/** The hardware of a plan for one start of the machine. */
export function hardwareOf(
  lab: Lab,
  plan: Plan,
  files: MachineFiles,
  start: {
    readonly name: string;
    readonly devices: readonly Device[];
    readonly incoming: boolean;
    /** For a machine without firmware. */
    readonly direct?: DirectBoot;
  },
): Hardware {
  const { memory, cpus = lab.accel.cpus, display, usb, kernelArguments, uuid } = plan;
  const { firmwareVars, config } = files;
  return {
    ...{ memory, cpus, display, usb, kernelArguments, uuid, ...start },
    ...{ accel: lab.accel, firmwareVars, bios: plan.firmware === 'bios' },
    ...(config === undefined ? {} : { config }),
  };
}

/** Waits until the guest answers and its boot has ended. */
export async function waitReady(lab: Lab, vm: Vm): Promise<void> {
  await greet(lab, vm, vm.lost);
  await waitStarted(lab, vm);
}

/** Limits in milliseconds until a guest answers, and from then until its boot has ended. */
const UP_MS = 60_000;

/** Waits until a booting guest answers. If `signal` is aborted, its reason is thrown. */
export async function greet(lab: Lab, vm: Vm, signal: AbortSignal): Promise<void> {
  const timeoutMs = UP_MS * lab.accel.slowness;
  try {
    await vm.agent.hello({ timeoutMs, signal });
  } catch (error) {
    if (signal.aborted) throw error;
    const said = indent(vm.console.tail(25));
    throw new Failure(`the guest did not come up in ${timeoutMs / 1000} s\n${said}`, { cause: error });
  }
}

/** Waits until the boot of an answering guest has ended. */
export async function waitStarted(lab: Lab, vm: Vm): Promise<void> {
  const limits = { timeoutMs: UP_MS * lab.accel.slowness, signal: vm.lost };
  // The exit code is not 0 if a unit has failed. The test, or the checks after it, decide about that.
  await vm.agent.run('systemctl is-system-running --wait >/dev/null', limits);
}

/** Waits for a restored guest, and sets its clock, which stopped with the snapshot. */
export async function wake(lab: Lab, vm: Vm): Promise<void> {
  await vm.agent.hello({ timeoutMs: 10_000 * lab.accel.slowness, signal: vm.lost });
  await setClock(lab, vm);
}

/** Sets a guest's clock to the time of this host. */
export async function setClock(lab: Lab, vm: Vm): Promise<void> {
  const limits = { timeoutMs: 10_000 * lab.accel.slowness, signal: vm.lost };
  await vm.agent.run(`date --utc --set=@${(Date.now() / 1000).toFixed(3)} >/dev/null`, limits);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

import { Failure } from '../../../sdk/lib/errors.ts';
import { type Device, type DiskFile, diskDevice, portName } from '../qemu/devices.ts';
import { forwardPort } from '../qemu/forward.ts';
import { plugIn, pullOut } from '../qemu/hotplug.ts';
import { type Disk, devicePath } from '../qemu/parts.ts';
import { FIRST_HOTPLUG_SLOT } from '../qemu/qemu-args.ts';
import { recordedDevice } from '../qemu/recorded.ts';
import type { Vm } from '../qemu/vm.ts';
import type { MachineState } from './state.ts';

/** Time for the guest to release a device. */
const UNPLUG_SECONDS = 20;

/** The devices of a machine, by the names of its spec: disks, and `nic0`, `nic1`, … */
export interface PluggingVerbs {
  /**
   * Returns the stable path of a disk in the guest.
   * @example await box.succeed('zpool create tank ' + box.disk('a'))
   */
  disk(name: string): string;
  /**
   * Returns the hardware address of NIC number `nic`, from 0.
   * @example const mac = box.mac(0)
   */
  mac(nic: number): string;
  /**
   * Unplugs a disk (by its name) or a NIC (`nic0`), whether the machine is on or off.
   * @example await box.unplug('a')
   */
  unplug(name: string): Promise<void>;
  /**
   * Plugs in a disk or a NIC after `unplug`.
   * @example await box.plug('a')
   */
  plug(name: string): Promise<void>;
  /**
   * Unplugs a disk and plugs it into another machine, which keeps it.
   * @example await box.give('a', other)
   */
  give(name: string, to: Pick<PluggingVerbs, 'take'>): Promise<void>;
  /**
   * The other side of `give`.
   * @internal
   */
  take(disk: Disk, file: DiskFile): Promise<void>;
  /**
   * The file on this host with the content of a disk.
   * @internal
   */
  diskFile(name: string): DiskFile;
  /**
   * From the next `plug` or start on, all writes to a disk are logged in a new file of this host.
   * @internal
   */
  record(name: string, log: string): Promise<void>;
  /**
   * Opens a port of 127.0.0.1 on this host that leads to TCP port `guestPort` of the guest, also after
   * restarts. Returns its number.
   * @example const port = await box.forward(22)
   */
  forward(guestPort: number): Promise<number>;
}

/** The verbs that plug and unplug devices. */
export function pluggingVerbs(machine: MachineState): PluggingVerbs {
  const { name } = machine.options;
  const diskNamed = (wanted: string): Disk => {
    const disk = machine.disks.find((candidate) => candidate.name === wanted);
    if (!disk) throw new Failure(`${name} has no disk ${wanted}`);
    return disk;
  };
  const fileOf = (which: string): DiskFile => {
    const file = which === 'system' ? machine.files?.system : machine.files?.disks.get(which);
    if (!file) throw new Failure(`${name} has no file of disk ${which}`);
    return file;
  };
  const unplug = async (which: string): Promise<void> => {
    const device = deviceNamed(machine, which);
    if (machine.vm) await unplugDevice(machine, device, machine.vm);
    machine.plugged = machine.plugged.filter(({ id }) => id !== device.id);
  };

  return {
    disk: (wanted) => devicePath(diskNamed(wanted)),
    mac: (nic) => String(deviceNamed(machine, `nic${nic}`).device.mac),
    diskFile: fileOf,
    give: async (which, to) => {
      const disk = diskNamed(which);
      const file = fileOf(which);
      await unplug(which);
      machine.disks = machine.disks.filter((other) => other !== disk);
      await to.take(disk, file);
    },
    take: async (disk, file) => {
      const { cold, hot } = machine.devices;
      const used = new Set([...cold, ...hot].map(({ device }) => device.bus));
      let slot = FIRST_HOTPLUG_SLOT;
      while (used.has(portName(slot))) slot += 1;
      const device = diskDevice(disk, file, slot);
      machine.disks = [...machine.disks, disk];
      machine.devices = { cold, hot: [...hot, device] };
      await plugDevices(machine, [device]);
      machine.plugged.push(device);
    },
    unplug,
    record: async (which, log) => {
      const device = deviceNamed(machine, which);
      if (machine.vm && machine.plugged.includes(device))
        throw new Failure(`${which} is in use: unplug it, or turn ${name} off, before you record it`);
      const recorded = await recordedDevice(device, log);
      const replaced = (devices: readonly Device[]): Device[] =>
        devices.map((each) => (each === device ? recorded : each));
      machine.plugged = replaced(machine.plugged);
      machine.devices = { cold: replaced(machine.devices.cold), hot: replaced(machine.devices.hot) };
    },
    plug: async (which) => {
      const device = deviceNamed(machine, which);
      if (machine.vm) await plugDevices(machine, [device]);
      machine.plugged.push(device);
    },
    forward: async (guestPort) => {
      const port = machine.forwards.get(guestPort) ?? (await forwardPort(machine.running().qmp, guestPort));
      machine.forwards.set(guestPort, port);
      return port;
    },
  };
}

/** A disk or NIC of the machine by its name, plugged or not. */
export function deviceNamed({ devices, options }: MachineState, which: string): Device {
  const all = [...devices.cold, ...devices.hot];
  const found = all.find(({ id }) => id === which || id === `disk-${which}`);
  if (!found)
    throw new Failure(`${options.name} has no device ${which}: it has ${all.map(({ id }) => id).join(', ')}`);
  return found;
}

/** Plugs devices into the running QEMU, and waits until the guest has their disks. */
export async function plugDevices(machine: MachineState, devices: readonly Device[]): Promise<void> {
  for (const device of devices) await plugIn(machine.running().qmp, device);
  const ids = new Set(devices.map(({ id }) => id));
  const disks = machine.disks.filter(({ name }) => ids.has(`disk-${name}`));
  if (disks.length > 0) await machine.guest.waitForFile(disks.map(devicePath));
}

async function unplugDevice(machine: MachineState, device: Device, { qmp, lost }: Vm): Promise<void> {
  await pullOut(qmp, device, machine.limited(UNPLUG_SECONDS, lost));
}

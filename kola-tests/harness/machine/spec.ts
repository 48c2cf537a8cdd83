import { badInput } from '../../../sdk/lib/errors.ts';
import type { GuestVerbs } from '../guest/guest.ts';
import { EMPTY_CONFIG, type IgnitionConfig } from '../guest/ignition.ts';
import {
  type Disk,
  type DiskSpec,
  HOTPLUG_SLOTS,
  isHotPluggable,
  type Nic,
  type NicSpec,
  planDisk,
} from '../qemu/parts.ts';

/** A machine of a test. The defaults suit most tests. */
export interface MachineSpec {
  /** MiB, default 512. */
  readonly memory?: number;
  /** Default 2; under emulation 1 (see `Acceleration.cpus`). */
  readonly cpus?: number;
  readonly disks?: readonly DiskSpec[];
  /** Default one virtio NIC on `user`. */
  readonly nics?: readonly NicSpec[];
  readonly config?: IgnitionConfig;
  /**
   * `fork` (default): a copy of a machine of this kind that has already booted. Additional disks and NICs are plugged
   * after the fork. `first-boot`: its own first boot with all devices, as a copy of a machine in the initrd, which then
   * finds the config on a disk labelled IGNITION. `fresh`: its own boot from the firmware on, with the config in
   * fw_cfg; for tests of the firmware, of the boot loader, or of the ways to find the config. `off`: the same as
   * `fresh`, but the test powers it on.
   */
  readonly start?: 'fork' | 'first-boot' | 'fresh' | 'off';
  /** Size of the system disk in MiB, default 8192: the image, and room for what the machine makes on first boot. */
  readonly systemSize?: number;
  /** Bus of the system disk. Default virtio. */
  readonly systemBus?: 'virtio' | 'ahci' | 'nvme' | 'usb';
  /**
   * Its firmware; default `uefi`. `none`: QEMU loads kernel and initrd itself, which saves the time of OVMF and the
   * boot loader. A forked machine has booted through UEFI in any case. `bios`: SeaBIOS.
   */
  readonly firmware?: 'uefi' | 'none' | 'bios';
  /** A graphics adapter, for `screenshot`. Default true. */
  readonly display?: boolean;
  /** Words added to the kernel's command line. */
  readonly kernelArguments?: string;
  /** UUID of the board (SMBIOS, DMI). Default none. */
  readonly uuid?: string;
  /** Runs once on a machine of this kind. Tests then get forks of that machine. */
  readonly prepare?: Preparation;
}

/** A preparation that many tests need, e.g. an image in the container storage. */
export interface Preparation {
  /** For the log. */
  readonly name: string;
  /**
   * Artifacts that `run` uses. They and the text of `run` are part of the snapshot's key. So `run` calls only the
   * guest's verbs.
   */
  readonly artifacts: readonly string[];
  run(guest: PreparedGuest): Promise<void>;
}

/** The parts of a machine that a preparation may use. */
export interface PreparedGuest extends GuestVerbs {
  artifact(name: string): Promise<string>;
}

/** A checked machine spec with all defaults. */
export interface Plan extends Required<Omit<MachineSpec, 'cpus' | 'disks' | 'nics' | 'config' | 'prepare'>> {
  readonly cpus?: number;
  readonly disks: readonly Disk[];
  readonly nics: readonly Nic[];
  readonly config: IgnitionConfig;
  /** Whether it has a USB controller. The controller is there from the start; its devices may be plugged in later. */
  readonly usb: boolean;
  readonly prepare?: Preparation;
}

const DEFAULT_NIC: Nic = { model: 'virtio', network: 'user' };
/** Checks a spec, and fills in its defaults. `where` names the machine in errors. */
export function planMachine(spec: MachineSpec, where: string): Plan {
  const fault = (what: string): Error => badInput(what, { where });
  const disks = (spec.disks ?? []).map((disk) => planDisk(disk, fault));
  const nics = (spec.nics ?? [DEFAULT_NIC]).map((nic) => ({ ...DEFAULT_NIC, ...nic }));
  const twice = disks.find((disk, index) => disks.findIndex(({ name }) => name === disk.name) !== index);
  if (twice) throw fault(`two disks are named ${twice.name}`);
  if (disks.filter(({ bootFirst }) => bootFirst).length > 1) throw fault('only one disk can have bootFirst');
  const hotplugged =
    disks.filter((disk) => isHotPluggable(disk) && disk.bus !== 'usb').length + nics.length - 1;
  if (hotplugged > HOTPLUG_SLOTS)
    throw fault(`a machine has room for at most ${HOTPLUG_SLOTS} disks and further NICs`);
  if (disks.filter(({ bus }) => bus === 'ahci' || bus === 'cd').length > 5)
    throw fault('the AHCI controller has room for at most 5 disks');
  if (disks.filter(({ bus }) => bus === 'emmc').length > 1)
    throw fault('a machine has room for only one eMMC');
  const {
    memory = 512,
    cpus,
    start = 'fork',
    systemBus = 'virtio',
    systemSize = 8192,
    firmware = 'uefi',
    display = true,
    kernelArguments = '',
    uuid = '',
  } = spec;
  if (!Number.isSafeInteger(memory) || memory < 64)
    throw fault(`memory must be a whole number of MiB, at least 64: ${memory}`);
  if (cpus !== undefined && (!Number.isSafeInteger(cpus) || cpus < 1))
    throw fault(`cpus must be a whole number, at least 1: ${cpus}`);
  const usb = systemBus === 'usb' || disks.some(({ bus }) => bus === 'usb');
  const config = spec.config ?? EMPTY_CONFIG;
  const prepare = spec.prepare === undefined ? {} : { prepare: spec.prepare };
  if (prepare.prepare && start !== 'fork') throw fault('only a fork can be prepared');
  return {
    ...{
      memory,
      disks,
      nics,
      config,
      start,
      systemBus,
      systemSize,
      firmware,
      display,
      usb,
      kernelArguments,
      uuid,
    },
    ...(cpus === undefined ? {} : { cpus }),
    ...prepare,
  };
}

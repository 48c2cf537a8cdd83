import { badInput } from '../../../sdk/lib/errors.ts';
import type { GuestVerbs } from '../guest/guest.ts';

/** An Ignition config in JSON, specification 3.0 – 3.3. The harness adds its agent to it. */
export interface IgnitionConfig {
  readonly ignition: { readonly version: string; readonly [key: string]: unknown };
  readonly storage?: { readonly files?: readonly object[]; readonly [key: string]: unknown };
  readonly systemd?: { readonly units?: readonly object[]; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

export interface DiskSpec {
  /** How tests call it, and its serial number unless `serial` says otherwise. At most 20 characters of [A-Za-z0-9_-]. */
  readonly name: string;
  /** A blank disk of this many MiB; exactly one of `size`, `file` and `artifact` is given. */
  readonly size?: number;
  /** A raw file of the host, attached read-only. */
  readonly file?: string;
  /** As `file`, an artifact of the image under test. */
  readonly artifact?: string;
  /** Default virtio. `cd`: a CD drive, at the AHCI controller. `emmc`: soldered flash at an SDHCI controller, which OVMF does not know. */
  readonly bus?: 'virtio' | 'ahci' | 'nvme' | 'usb' | 'cd' | 'emmc';
  readonly serial?: string;
  /** Logical and physical sector size in bytes, default 512. */
  readonly blockSize?: 512 | 4096;
  /** The firmware tries it before the system disk, as it does with an internal disk and a stick. */
  readonly bootFirst?: boolean;
}

export interface NicSpec {
  /** Default virtio. */
  readonly model?: 'virtio' | 'e1000e' | 'igb';
  /** `user`: QEMU's user-mode network with the way out and forwarded ports; any other name: a layer-2 network of this test. */
  readonly network: string;
}

/** One machine of a test. What is left out is the machine nearly every test wants. */
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
   * `fork` (default): a copy of a machine of this kind that has booted already; disks beside the system disk and
   * NICs beside the first are plugged after the fork. `fresh`: boots for this test, with everything plugged.
   * `off`: as `fresh`, but the test itself powers it on.
   */
  readonly start?: 'fork' | 'fresh' | 'off';
  /** Size of the system disk in MiB, default 8192: the image, and room for what the machine makes on first boot. */
  readonly systemSize?: number;
  /** Where the system disk is plugged. Default virtio. */
  readonly systemBus?: 'virtio' | 'ahci' | 'nvme' | 'usb';
  /**
   * What it goes through when it is powered on; default `uefi`. `none`: QEMU loads kernel and initrd itself, which
   * saves what OVMF and the boot loader take. What is forked has booted through UEFI in any case. `bios`: SeaBIOS.
   */
  readonly firmware?: 'uefi' | 'none' | 'bios';
  /** A graphics adapter, for `screenshot`. Default true. */
  readonly display?: boolean;
  /** Words added to the kernel's command line, as a person would in the boot menu. */
  readonly kernelArguments?: string;
  /** What the board says that it is (SMBIOS, DMI). Default nothing. */
  readonly uuid?: string;
  /** Done once on a machine of this kind, which is then what is forked. */
  readonly prepare?: Preparation;
}

/** What many tests need before they can begin, e.g. an image in the container storage. */
export interface Preparation {
  /** For the log. */
  readonly name: string;
  /** Artifacts it takes. They are part of the snapshot's key, as is the text of `run`, which calls only the guest's verbs. */
  readonly artifacts: readonly string[];
  run(guest: PreparedGuest): Promise<void>;
}

export interface PreparedGuest extends GuestVerbs {
  artifact(name: string): Promise<string>;
}

export type Disk = Required<Pick<DiskSpec, 'name' | 'bus' | 'serial' | 'blockSize' | 'bootFirst'>> &
  Pick<DiskSpec, 'size' | 'file' | 'artifact'>;
export type Nic = Required<NicSpec>;

/** A machine spec with every default filled in and checked. */
export interface Plan extends Required<Omit<MachineSpec, 'cpus' | 'disks' | 'nics' | 'config' | 'prepare'>> {
  readonly cpus?: number;
  readonly disks: readonly Disk[];
  readonly nics: readonly Nic[];
  readonly config: IgnitionConfig;
  /** Whether it has a USB controller: it is there from the start, what is plugged into it may come later. */
  readonly usb: boolean;
  readonly prepare?: Preparation;
}

export const EMPTY_CONFIG: IgnitionConfig = { ignition: { version: '3.3.0' } };
const DEFAULT_NIC: Nic = { model: 'virtio', network: 'user' };
/** Devices that can be plugged while the machine runs: as many as it has PCIe root ports to spare. */
export const HOTPLUG_SLOTS = 6;

/** Fills in the defaults of a spec; `where` names the machine in errors. */
export function planMachine(spec: MachineSpec, where: string): Plan {
  const fault = (what: string): Error => badInput(what, { where });
  const disks = (spec.disks ?? []).map((disk) => planDisk(disk, fault));
  const nics = (spec.nics ?? [DEFAULT_NIC]).map((nic) => ({ ...DEFAULT_NIC, ...nic }));
  const twice = disks.find((disk, index) => disks.findIndex(({ name }) => name === disk.name) !== index);
  if (twice) throw fault(`two disks are named ${twice.name}`);
  if (disks.filter(({ bootFirst }) => bootFirst).length > 1)
    throw fault('only one disk can be the first that the firmware tries');
  const hotplugged =
    disks.filter((disk) => isHotPluggable(disk) && disk.bus !== 'usb').length + nics.length - 1;
  if (hotplugged > HOTPLUG_SLOTS)
    throw fault(`at most ${HOTPLUG_SLOTS} disks and further NICs fit a machine`);
  if (disks.filter(({ bus }) => bus === 'ahci' || bus === 'cd').length > 5)
    throw fault('at most 5 disks fit the AHCI controller');
  if (disks.filter(({ bus }) => bus === 'emmc').length > 1) throw fault('only one eMMC fits a machine');
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

function planDisk(disk: DiskSpec, fault: (what: string) => Error): Disk {
  const {
    name,
    size,
    file,
    artifact,
    bus = 'virtio',
    serial = name,
    blockSize = 512,
    bootFirst = false,
  } = disk;
  if (!/^[A-Za-z0-9_-]{1,20}$/.test(serial) || !/^[A-Za-z0-9_-]{1,20}$/.test(name)) {
    throw fault(`a disk's name and serial are 1 – 20 characters of [A-Za-z0-9_-]: ${name}, ${serial}`);
  }
  if (name === 'system') throw fault('the name system belongs to the disk with the image on it');
  const sources = Object.entries({ size, file, artifact }).filter(([, value]) => value !== undefined);
  if (sources.length !== 1) throw fault(`disk ${name} must have one of size, file and artifact`);
  if (bus === 'cd' && (size !== undefined || blockSize !== 512))
    throw fault(`disk ${name} is a CD: it is a file or an artifact, and has the blocks of a CD`);
  if (bus === 'emmc' && (disk.serial !== undefined || blockSize !== 512 || bootFirst))
    throw fault(
      `disk ${name} is an eMMC: QEMU gives it its serial number and its blocks, OVMF does not boot it`,
    );
  return { name, bus, serial, blockSize, bootFirst, ...Object.fromEntries(sources) };
}

/** Whether QEMU can plug this disk into a running machine: what is at the AHCI or the SDHCI controller it cannot. */
export function isHotPluggable({ bus }: Disk): boolean {
  return bus !== 'ahci' && bus !== 'cd' && bus !== 'emmc';
}

/** The stable name udev gives a disk (60-persistent-storage.rules of systemd, with QEMU's model names). */
export function devicePath({ bus, serial }: Pick<Disk, 'bus' | 'serial'>): string {
  const id = {
    virtio: `virtio-${serial}`,
    nvme: `nvme-QEMU_NVMe_Ctrl_${serial}`,
    ahci: `ata-QEMU_HARDDISK_${serial}`,
    cd: `ata-QEMU_DVD-ROM_${serial}`,
    usb: `usb-QEMU_QEMU_HARDDISK_${serial}-0:0`,
    emmc: 'mmc-QEMU___0xdeadbeef',
  }[bus];
  return `/dev/disk/by-id/${id}`;
}

/** A disk beside the system disk. */
export interface DiskSpec {
  /** How tests call it, and its serial number unless `serial` says otherwise. At most 20 characters of [A-Za-z0-9_-]. */
  readonly name: string;
  /** A blank disk of this many MiB; exactly one of `size`, `file` and `artifact` is given. */
  readonly size?: number;
  /** With `size`, the disk is not blank, but a copy of this raw file of the host, which stays as it is. */
  readonly over?: string;
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

/** A network card. */
export interface NicSpec {
  /** Default virtio. */
  readonly model?: 'virtio' | 'e1000e' | 'igb';
  /** `user`: QEMU's user-mode network with the way out and forwarded ports; any other name: a layer-2 network of this test. */
  readonly network: string;
}

/** A disk with every default filled in. */
export type Disk = Required<Pick<DiskSpec, 'name' | 'bus' | 'serial' | 'blockSize' | 'bootFirst'>> &
  Pick<DiskSpec, 'size' | 'over' | 'file' | 'artifact'>;
/** A network card with every default filled in. */
export type Nic = Required<NicSpec>;

/** Devices that can be plugged while the machine runs: as many as it has PCIe root ports to spare. */
export const HOTPLUG_SLOTS = 6;

/** Fills in the defaults of a disk and checks it. */
export function planDisk(disk: DiskSpec, fault: (what: string) => Error): Disk {
  const {
    name,
    size,
    file,
    artifact,
    over,
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
  if (over !== undefined && (size === undefined || !isHotPluggable({ bus })))
    throw fault(`disk ${name} is a copy of a file: it has a size, and is plugged into a running machine`);
  if (bus === 'cd' && (size !== undefined || blockSize !== 512))
    throw fault(`disk ${name} is a CD: it is a file or an artifact, and has the blocks of a CD`);
  if (bus === 'emmc' && (disk.serial !== undefined || blockSize !== 512 || bootFirst))
    throw fault(
      `disk ${name} is an eMMC: QEMU gives it its serial number and its blocks, OVMF does not boot it`,
    );
  const copied = over === undefined ? {} : { over };
  return { name, bus, serial, blockSize, bootFirst, ...Object.fromEntries(sources), ...copied };
}

/** Whether QEMU can plug this disk into a running machine: what is at the AHCI or the SDHCI controller it cannot. */
export function isHotPluggable({ bus }: Pick<Disk, 'bus'>): boolean {
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

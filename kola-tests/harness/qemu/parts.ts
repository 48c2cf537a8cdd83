/** A disk in addition to the system disk. */
export interface DiskSpec {
  /** Its name in the test, and the default of `serial`. At most 20 characters of [A-Za-z0-9_-]. */
  readonly name: string;
  /** Size in MiB of a blank disk. Exactly one of `size`, `file` and `artifact` must be given. */
  readonly size?: number;
  /** Together with `size`: the disk is a copy of this raw file of the host. The file does not change. */
  readonly over?: string;
  /** A raw file of the host, read-only. */
  readonly file?: string;
  /** An artifact of the image under test, read-only. */
  readonly artifact?: string;
  /**
   * Default virtio. `cd`: a CD drive at the AHCI controller. `emmc`: soldered flash at an SDHCI controller, from which
   * OVMF cannot boot.
   */
  readonly bus?: 'virtio' | 'ahci' | 'nvme' | 'usb' | 'cd' | 'emmc';
  readonly serial?: string;
  /** Logical and physical sector size in bytes, default 512. */
  readonly blockSize?: 512 | 4096;
  /** True: the firmware tries it before the system disk, as it tries a stick before an internal disk. */
  readonly bootFirst?: boolean;
}

/** A network card. */
export interface NicSpec {
  /** Default virtio. */
  readonly model?: 'virtio' | 'e1000e' | 'igb';
  /**
   * `user`: QEMU's user-mode network, with a route to the outside and forwarded ports. Any other name: a layer-2
   * network of this test.
   */
  readonly network: string;
}

/** A disk with all defaults. */
export type Disk = Required<Pick<DiskSpec, 'name' | 'bus' | 'serial' | 'blockSize' | 'bootFirst'>> &
  Pick<DiskSpec, 'size' | 'over' | 'file' | 'artifact'>;
/** A network card with all defaults. */
export type Nic = Required<NicSpec>;

/** Number of devices that can be plugged into a running machine: one for each free PCIe root port. */
export const HOTPLUG_SLOTS = 6;

/** Checks a disk, and fills in its defaults. */
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
    throw fault(`disk ${name} is a copy of a file: it must have a size, and a bus that allows hot-plugging`);
  if (bus === 'cd' && (size !== undefined || blockSize !== 512))
    throw fault(`disk ${name} is a CD: it must be a file or an artifact, without a blockSize`);
  if (bus === 'emmc' && (disk.serial !== undefined || blockSize !== 512 || bootFirst))
    throw fault(`disk ${name} is an eMMC: it must have no serial, no blockSize and no bootFirst`);
  const copied = over === undefined ? {} : { over };
  return { name, bus, serial, blockSize, bootFirst, ...Object.fromEntries(sources), ...copied };
}

/** Whether QEMU can plug this disk into a running machine. It cannot for the AHCI and the SDHCI controller. */
export function isHotPluggable({ bus }: Pick<Disk, 'bus'>): boolean {
  return bus !== 'ahci' && bus !== 'cd' && bus !== 'emmc';
}

/** The stable path that udev gives to a disk (60-persistent-storage.rules of systemd, with QEMU's model names). */
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

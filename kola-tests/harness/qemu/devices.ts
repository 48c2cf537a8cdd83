import type { Disk, Nic } from './parts.ts';

/** A device with its backend on the host, as JSON that QEMU's command line and QMP accept. */
export interface Device {
  /** Of `device_add` and `device_del`. */
  readonly id: string;
  readonly device: Readonly<Record<string, unknown>>;
  /** Block nodes, the lower ones first. */
  readonly blockdevs: readonly BlockNode[];
  readonly netdev?: Readonly<Record<string, unknown>>;
}

/** A block node in the form of QEMU's -blockdev. */
export interface BlockNode {
  readonly 'node-name': string;
  readonly driver: string;
  readonly [key: string]: unknown;
}

/** A disk file. `backing` is the file below it, for a qcow2 that is a copy. */
export interface DiskFile {
  readonly path: string;
  readonly format: 'qcow2' | 'raw';
  readonly readOnly?: boolean;
  readonly backing?: DiskFile;
}

/** The name of the PCIe root port `slot` (`rootPorts` in qemu-args.ts). */
export function portName(slot: number): string {
  return `port${slot}`;
}

/**
 * Makes the device of a disk. The firmware tries `bootIndex` 0 first; the system disk has 1. `slot`: the root port of a
 * virtio or NVMe disk, the SATA port of an AHCI disk or CD.
 */
export function diskDevice(
  disk: Pick<Disk, 'name' | 'bus' | 'serial' | 'blockSize'>,
  file: DiskFile,
  slot: number,
  bootIndex?: number,
): Device {
  const id = `disk-${disk.name}`;
  const node = `file-${disk.name}`;
  const common = {
    id,
    serial: disk.serial,
    ...(disk.blockSize === 512
      ? {}
      : { logical_block_size: disk.blockSize, physical_block_size: disk.blockSize }),
    ...(bootIndex === undefined ? {} : { bootindex: bootIndex }),
  };
  const device = {
    virtio: { driver: 'virtio-blk-pci', drive: node, bus: portName(slot), ...common },
    nvme: { driver: 'nvme', drive: node, bus: portName(slot), 'write-cache': 'off', ...common },
    ahci: { driver: 'ide-hd', drive: node, bus: `ide.${slot}`, ...common },
    cd: { driver: 'ide-cd', drive: node, bus: `ide.${slot}`, ...common },
    usb: { driver: 'usb-storage', drive: node, bus: 'usb.0', ...common },
    // The first two MiB of the file are the boot partitions of the eMMC.
    emmc: { driver: 'emmc', id, drive: node, bus: 'sd-bus', 'boot-partition-size': 1 << 20 },
  }[disk.bus];
  return { id, device, blockdevs: blockNodes(node, file, disk.bus === 'nvme') };
}

/**
 * `durable` keeps finished writes through a power cut. A guest can ask QEMU's NVMe disk to make a single write durable
 * (FUA), but QEMU ignores that: 1 of 50 commits of ext4's journal was lost, because its place in the qcow2 file was
 * only in QEMU's memory. Without a write cache, QEMU flushes after each write. It need not flush the host's disk,
 * because a power cut here ends QEMU and not the host.
 */
function blockNodes(name: string, file: DiskFile, durable = false): BlockNode[] {
  const host = durable ? { cache: { 'no-flush': true } } : {};
  const lower = file.backing ? blockNodes(`${name}-base`, { ...file.backing, readOnly: true }) : [];
  const access = file.readOnly ? { 'read-only': true } : { discard: 'unmap' };
  return [
    ...lower,
    {
      'node-name': name,
      driver: file.format,
      ...access,
      file: {
        'node-name': `${name}-host`,
        driver: 'file',
        filename: file.path,
        aio: 'threads',
        ...host,
        ...access,
      },
      ...(file.format === 'qcow2' ? { backing: file.backing ? `${name}-base` : null } : {}),
    },
  ];
}

const NIC_DRIVERS = { virtio: 'virtio-net-pci', e1000e: 'e1000e', igb: 'igb' } as const;

/**
 * Makes the NIC number `index` of a machine. `socket`: the unix socket of its layer-2 network. Without it, the NIC is
 * on the user network.
 */
export function nicDevice(nic: Nic, index: number, slot: number, mac: string, socket?: string): Device {
  const id = `nic${index}`;
  return {
    id,
    device: {
      driver: NIC_DRIVERS[nic.model],
      id,
      netdev: `net${index}`,
      mac,
      bus: portName(slot),
      romfile: '',
    },
    blockdevs: [],
    netdev:
      socket === undefined
        ? { type: 'user', id: `net${index}` }
        : { type: 'stream', id: `net${index}`, server: false, addr: { type: 'unix', path: socket } },
  };
}

/** A locally administered address (RFC 7042), the same in every run. NIC 0 of machine 1 has 52:54:00:00:01:00. */
export function macAddress(machine: number, nic: number): string {
  return `52:54:00:00:${hex(machine)}:${hex(nic)}`;
}

function hex(value: number): string {
  return value.toString(16).padStart(2, '0');
}

import type { Disk, Nic } from './parts.ts';

/** A device and the host side it needs, in the form both QEMU's command line and QMP take: JSON. */
export interface Device {
  /** Of `device_add` and `device_del`. */
  readonly id: string;
  readonly device: Readonly<Record<string, unknown>>;
  /** Block nodes, the lower ones first. */
  readonly blockdevs: readonly BlockNode[];
  readonly netdev?: Readonly<Record<string, unknown>>;
}

/** A block node, as QEMU's -blockdev takes it. */
export interface BlockNode {
  readonly 'node-name': string;
  readonly driver: string;
  readonly [key: string]: unknown;
}

/** A disk file: the machine's own qcow2 on top, the file that it is a copy of below. */
export interface DiskFile {
  readonly path: string;
  readonly format: 'qcow2' | 'raw';
  readonly readOnly?: boolean;
  readonly backing?: DiskFile;
}

/** PCIe root port number `slot`, as `rootPorts` in qemu-args.ts numbers them. */
export function portName(slot: number): string {
  return `port${slot}`;
}

/** `bootIndex` 0 is tried first by the firmware, the system disk has 1. `slot` is the root port of virtio and NVMe disks, the SATA port of AHCI ones and CDs. */
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
    // Its boot partitions are the file's first two MiB.
    emmc: { driver: 'emmc', id, drive: node, bus: 'sd-bus', 'boot-partition-size': 1 << 20 },
  }[disk.bus];
  return { id, device, blockdevs: blockNodes(node, file, disk.bus === 'nvme') };
}

/**
 * `durable` keeps through a power cut what the disk has said is written. QEMU's NVMe disk lets the guest ask for that of
 * a single write (FUA), and then forgets it: of 50 commits of ext4's journal one was lost, because its place in
 * the qcow2 file was in QEMU's memory only. Without a write cache QEMU flushes it after each write; not also to the host's
 * disk, as a power cut here ends QEMU and not the host.
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

/** NIC number `index` of a machine. `socket` is the unix socket of its layer-2 network; without one, the user network. */
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

/** Locally administered (RFC 7042), the same in every run: machine 1, NIC 0 is 52:54:00:00:01:00. */
export function macAddress(machine: number, nic: number): string {
  return `52:54:00:00:${hex(machine)}:${hex(nic)}`;
}

function hex(value: number): string {
  return value.toString(16).padStart(2, '0');
}

import { join } from 'node:path';
import type { Acceleration } from './accel.ts';
import { type Device, portName } from './devices.ts';
import type { DirectBoot } from './direct.ts';
import type { Emulator } from './emulator.ts';
import { HOTPLUG_SLOTS } from './parts.ts';

/** All inputs of QEMU's command line. */
export interface Hardware {
  readonly name: string;
  readonly memory: number;
  readonly cpus: number;
  readonly display: boolean;
  readonly usb: boolean;
  readonly accel: Acceleration;
  /** The machine's own copy of OVMF's variables. */
  readonly firmwareVars: string;
  /** Kernel and initrd that QEMU loads itself. Then the machine has no firmware. */
  readonly direct?: DirectBoot;
  /** Ignition config file. */
  readonly config?: string;
  /** Devices that are plugged from the start. */
  readonly devices: readonly Device[];
  /** Wait for `migrate-incoming` instead of booting. */
  readonly incoming: boolean;
  /** Words added to the kernel's command line. */
  readonly kernelArguments?: string;
  readonly uuid?: string;
  /**
   * True: the serial console is this process's terminal, the guest waits for `cont`, and the harness's channels are
   * left out.
   */
  readonly terminal?: boolean;
  /** SeaBIOS instead of OVMF. */
  readonly bios?: boolean;
}

/** The first root port for hot-plugging. Root port 0 holds the system disk, 1 the first NIC. */
export const FIRST_HOTPLUG_SLOT = 2;
/** The root port after those for hot-plugging. It is reserved for the config disk of a fork of the initrd. */
export const STICK_SLOT = FIRST_HOTPLUG_SLOT + HOTPLUG_SLOTS;

/** The sockets of a machine, in its folder. */
export const sockets = (dir: string): { qmp: string; console: string; agent: string } => ({
  qmp: join(dir, 'qmp.sock'),
  console: join(dir, 'console.sock'),
  agent: join(dir, 'agent.sock'),
});

/** QEMU's arguments for a machine with its sockets and console log in `dir`. A pure function. */
export function qemuArguments(
  hardware: Hardware,
  dir: string,
  { ovmfCode }: Pick<Emulator, 'ovmfCode'>,
): string[] {
  return [
    ['-name', `${hardware.name},debug-threads=on`],
    ['-nodefaults'],
    ['-no-user-config'],
    ...firmware(hardware, ovmfCode),
    ['-accel', hardware.accel.args],
    ['-cpu', hardware.accel.cpu],
    ['-smp', `${hardware.cpus}`],
    ['-m', `${hardware.memory}M`],
    ['-object', json(ramBackend(hardware.memory))],
    ['-rtc', 'base=utc'],
    ...(hardware.uuid ? [['-uuid', hardware.uuid]] : []),
    ['-display', 'none'],
    ...(hardware.display ? [['-device', 'VGA,vgamem_mb=8']] : []),
    ['-chardev', `socket,id=qmp,path=${comma(sockets(dir).qmp)},server=on,wait=off`],
    ['-object', 'monitor-qmp,id=control,chardev=qmp'],
    ...(hardware.terminal ? terminal() : channels(dir)),
    ['-device', 'virtio-rng-pci'],
    ['-device', 'vmgenid,guid=auto'],
    ...(hardware.config === undefined
      ? []
      : [['-fw_cfg', `name=opt/com.coreos/config,file=${comma(hardware.config)}`]]),
    ...rootPorts(),
    ...(hardware.usb ? [['-device', 'qemu-xhci,id=usb']] : []),
    ...(hardware.devices.some(({ device }) => device.driver === 'emmc') ? [['-device', 'sdhci-pci']] : []),
    ...hardware.devices.flatMap((device) => [
      ...device.blockdevs.map((node) => ['-blockdev', json(node)]),
      ...(device.netdev ? [['-netdev', json(device.netdev)]] : []),
      ['-device', json(device.device)],
    ]),
    // A reset ends QEMU, and the harness starts it again on the same disks. So the memory of a fork, a copy of the
    // snapshot's, is dropped, and devices that were plugged meanwhile are present from the start.
    ...(hardware.terminal ? [] : [['-action', 'reboot=shutdown']]),
    ...(hardware.incoming ? [['-incoming', 'defer']] : []),
  ].flat();
}

const MACHINE = 'q35,memory-backend=ram,vmport=off';

function firmware(hardware: Hardware, ovmfCode: string): string[][] {
  if (hardware.direct) return direct(hardware, hardware.direct);
  return hardware.bios ? bios() : uefi(hardware, ovmfCode);
}

/**
 * OVMF. systemd-stub takes words for the kernel's command line from SMBIOS (systemd-stub(7)), so the image stays
 * unchanged.
 */
function uefi(hardware: Hardware, ovmfCode: string): string[][] {
  const words = extraWords(hardware);
  const flash = (name: string, file: object): string[] => [
    '-blockdev',
    json({ 'node-name': name, driver: 'raw', ...file }),
  ];
  return [
    ['-machine', `${MACHINE},pflash0=firmware-code,pflash1=firmware-vars`],
    ...(words === ''
      ? []
      : [['-smbios', `type=11,value=io.systemd.stub.kernel-cmdline-extra=${comma(words)}`]]),
    flash('firmware-code', {
      'read-only': true,
      file: { driver: 'file', filename: ovmfCode, 'read-only': true },
    }),
    flash('firmware-vars', { file: { driver: 'file', filename: hardware.firmwareVars } }),
  ];
}

/** SeaBIOS. Without graphics it writes its screen output to the serial port. */
function bios(): string[][] {
  return [['-machine', `${MACHINE},graphics=off`]];
}

function direct(hardware: Hardware, { kernel, initrd, commandLine }: DirectBoot): string[][] {
  return [
    ['-machine', MACHINE],
    ['-kernel', kernel],
    ['-initrd', initrd],
    ['-append', `${commandLine} ${extraWords(hardware)}`.trim()],
  ];
}

function extraWords({ accel, kernelArguments = '' }: Hardware): string {
  return `${accel.kernelArguments} ${kernelArguments}`.trim();
}

/**
 * QEMU itself writes the console's log. So it is complete even without a listener, and stays after the harness was
 * killed. It is a separate file, because the socket's logfile= repeats a character if the socket was full.
 */
function channels(dir: string): string[][] {
  const { console, agent } = sockets(dir);
  return [
    ['-chardev', `file,id=console-log,path=${comma(consoleLog(dir))},append=on`],
    ['-chardev', `socket,id=console-live,path=${comma(console)},server=on,wait=off`],
    ['-chardev', 'hub,id=console,chardevs.0=console-log,chardevs.1=console-live'],
    ['-serial', 'chardev:console'],
    ['-device', 'virtio-serial-pci'],
    ['-chardev', `socket,id=agent,path=${comma(agent)},server=on,wait=off`],
    ['-device', 'virtserialport,chardev=agent,name=draisine.kola'],
  ];
}

/**
 * The same as `-nographic`: monitor and serial port share the terminal, Ctrl-A switches, and signals go to the guest.
 */
function terminal(): string[][] {
  return [
    ['-chardev', 'stdio,id=console,mux=on,signal=off'],
    ['-serial', 'chardev:console'],
    ['-object', 'monitor-hmp,id=monitor,chardev=console,readline=on'],
    ['-S'],
  ];
}

/** The file with the whole output of the serial console. */
export function consoleLog(dir: string): string {
  return join(dir, 'console.txt');
}

/** Memory in huge pages, because misses of the processor's TLB slow emulation down. */
function ramBackend(memory: number): object {
  return { 'qom-type': 'memory-backend-ram', id: 'ram', size: memory * 1024 * 1024 };
}

/**
 * Devices can be hot-plugged into PCIe only behind a root port. The ports have no I/O space, because 64 KiB are not
 * enough for all (QEMU's docs/pcie.txt).
 */
function rootPorts(): string[][] {
  return Array.from({ length: STICK_SLOT + 1 }, (_, slot) => {
    const address = `${(16 + Math.floor(slot / 8)).toString(16)}.${slot % 8}`;
    return [
      '-device',
      `pcie-root-port,id=${portName(slot)},bus=pcie.0,chassis=${slot + 1},addr=${address},multifunction=on,io-reserve=0`,
    ];
  });
}

function json(value: object): string {
  return JSON.stringify(value);
}

/** A comma inside an option's value is doubled. */
function comma(path: string): string {
  return path.replaceAll(',', ',,');
}

import { Failure } from '../../../sdk/lib/errors.ts';
import type { Device } from '../qemu/devices.ts';

/** The way in which a machine's firmware boots from the network. */
export type Netboot =
  /** SeaBIOS with the iPXE ROM of QEMU's network cards. DHCP names the script for iPXE. */
  | { readonly by: 'ipxe'; readonly url: string }
  /** OVMF, by an entry in its variables: UEFI HTTP boot. */
  | { readonly by: 'http'; readonly url: string };

/** The devices without the system disk. The machine boots from its first network card. */
export function netbootDevices(devices: readonly Device[], { by, url }: Netboot): Device[] {
  return devices.flatMap((device): Device[] => {
    if (device.id === 'disk-system') return [];
    if (device.id !== 'nic0' || by !== 'ipxe') return [device];
    const { romfile: _none, ...card } = device.device;
    return [{ ...device, device: { ...card, bootindex: 0 }, netdev: { ...device.netdev, bootfile: url } }];
  });
}

const GLOBAL = guid('8be4df61-93ca-11d2-aa0d-00e098032b8c');
const STORE = 0x48; // behind the header of the firmware volume
const STORE_HEADER = 28;
/** NON_VOLATILE, BOOTSERVICE_ACCESS, RUNTIME_ACCESS. */
const ATTRIBUTES = 7;

/**
 * An empty variable store of OVMF (EDK II, AuthenticatedVariableFormat.h) with one boot entry: a short-form URI
 * device path (UEFI 2.10, 3.1.2 and 10.3.4.23), which any network card may follow.
 */
export function withHttpBoot(vars: Buffer, url: string): Buffer {
  const at = STORE + STORE_HEADER;
  if (
    vars.toString('latin1', 40, 44) !== '_FVH' ||
    vars.readUInt16LE(48) !== STORE ||
    vars.readUInt16LE(at) !== 0xffff
  )
    throw new Failure('not an empty variable store of OVMF');
  const uri = node(3, 24, Buffer.from(url));
  const end = node(0x7f, 0xff, Buffer.alloc(0));
  const option = Buffer.alloc(6);
  option.writeUInt32LE(1, 0); // active
  option.writeUInt16LE(uri.length + end.length, 4);
  const entry = Buffer.concat([option, utf16('HTTP boot'), uri, end]);
  const written = Buffer.from(vars);
  let next = at;
  for (const variable of [variableOf('Boot0000', entry), variableOf('BootOrder', Buffer.alloc(2))]) {
    variable.copy(written, next);
    next = Math.ceil((next + variable.length) / 4) * 4;
  }
  return written;
}

function variableOf(name: string, data: Buffer): Buffer {
  const text = utf16(name);
  const header = Buffer.alloc(60);
  header.writeUInt16LE(0x55aa, 0);
  header.writeUInt8(0x3f, 2); // added
  header.writeUInt32LE(ATTRIBUTES, 4);
  header.writeUInt32LE(text.length, 36);
  header.writeUInt32LE(data.length, 40);
  GLOBAL.copy(header, 44);
  return Buffer.concat([header, text, data]);
}

/** A node of a device path. */
function node(type: number, subtype: number, data: Buffer): Buffer {
  const header = Buffer.from([type, subtype, 0, 0]);
  header.writeUInt16LE(4 + data.length, 2);
  return Buffer.concat([header, data]);
}

function utf16(text: string): Buffer {
  return Buffer.from(`${text}\0`, 'utf16le');
}

/** The first three fields are little-endian. */
function guid(text: string): Buffer {
  const [a = '', b = '', c = '', d = '', e = ''] = text.split('-');
  const swapped = [a, b, c].map((part) => Buffer.from(part, 'hex').reverse());
  return Buffer.concat([...swapped, Buffer.from(d + e, 'hex')]);
}

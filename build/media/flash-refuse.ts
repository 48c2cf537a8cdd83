import { readFile, realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import { badInput, errorCode, type Failure } from '../../sdk/lib/errors.ts';
import { type BlockDevice, holdersOf, numbersOf, type Roots } from './flash-device.ts';

/** A use of a disk that forbids writing to it. */
export interface Use {
  /** `sda1 is mounted on /boot` */
  readonly what: string;
  /** How to end the use. */
  readonly hint: string;
  /** True if the running system is on the disk. */
  readonly system: boolean;
}

/** What the user wants to overwrite, and with what. */
export interface Asked {
  /** The path as the user wrote it. */
  readonly path: string;
  /** The file of the image; undefined while it is not known. */
  readonly image?: string | undefined;
  /** Size of the image in bytes. */
  readonly imageSize: number;
  /** Sector size of the image's partition table in bytes; undefined if any size fits. */
  readonly imageSector?: number | undefined;
  readonly serial?: string | undefined;
  /** True if a regular file or a loop device is allowed. */
  readonly file: boolean;
}

const SYSTEM = new Set(['/', '/usr', '/boot', '/boot/efi', '/efi', '/var', '/home', '/etc', '/nix/store']);

/** The mounts, swap areas and holders of a disk, of its partitions, and of all devices made of them. */
export async function usesOf(device: BlockDevice, roots: Roots): Promise<readonly Use[]> {
  const uses: Use[] = [];
  const mounts = await mountsOf(roots);
  const swaps = await swapsOf(roots);
  const seen = new Set<string>();
  const look = async (name: string, numbers: string, on: string): Promise<void> => {
    if (seen.has(name)) return;
    seen.add(name);
    const said = on === '' ? name : `${name} on ${on}`;
    for (const mount of mounts) {
      if (mount.numbers !== numbers && mount.source !== name) continue;
      const system = SYSTEM.has(mount.on);
      uses.push({ what: `${said} is mounted on ${mount.on}`, hint: `umount ${mount.on}`, system });
    }
    if (swaps.has(name)) uses.push({ what: `${said} is swap`, hint: `swapoff /dev/${name}`, system: false });
    for (const holder of await holdersOf(numbers, roots)) {
      uses.push({
        what: `${said} is part of ${holder}`,
        hint: `take ${holder} apart first`,
        system: false,
      });
      await look(holder, await numbersOf(holder, roots), name);
    }
  };
  await look(device.name, device.numbers, '');
  for (const { name, numbers } of device.partitions) await look(name, numbers, '');
  return uses;
}

/** The reason why the device must not be written to; undefined if there is none. */
export function refusal(device: BlockDevice, uses: readonly Use[], asked: Asked): Failure | undefined {
  const { path, imageSize, imageSector, serial, file } = asked;
  const { kind, size, sectorSize, serials } = device;
  const no = (what: string, hint: string, where = path): Failure => badInput(what, { where, hint });
  if (kind === 'partition')
    return no(`${path} is a partition, and an image needs a whole disk`, 'name the disk that it is on');
  if (kind === 'virtual' || (kind === 'loop' && !file))
    return no(
      `${path} is a software device, not a disk`,
      kind === 'loop' ? 'name a disk; for a loop device say --file' : 'name a disk',
    );
  if (size === 0) return no(`there is no medium in ${path}`, 'put one in');
  const system = uses.find((use) => use.system);
  if (system) return no(`${path} is a disk that this system runs from`, 'name another one', system.what);
  const [use] = uses;
  if (use) return no(`${path} is in use`, use.hint, uses.map(({ what }) => what).join(', '));
  if (serial !== undefined && !serials.includes(serial)) {
    const has = serials[0] === undefined ? 'has no serial number' : `has the serial number ${serials[0]}`;
    return no(`${path} is not the disk with serial number ${serial}: it ${has}`, 'compare with lsblk');
  }
  if (kind === 'disk' && !device.removable && serial === undefined) {
    return no(
      `${path} is a built-in disk (${describeDevice(device)}), not a stick or card`,
      serials[0] === undefined
        ? 'it has no serial number, so draisine cannot be sure which disk it is: write to it with other tools'
        : 'if you want to write to this disk, give its serial number: --serial',
    );
  }
  if (device.readOnly)
    return no(`${path} is write-protected`, 'move the lock switch at its side, or take another medium');
  if (imageSector !== undefined && sectorSize !== imageSector)
    return no(
      `${path} has sectors of ${sectorSize} bytes, the image's partition table is for ${imageSector}`,
      sectorSize === 4096
        ? 'the installer makes a table for such a disk: flash a stick with sectors of 512 bytes, boot it, and run draisine-install there'
        : 'take another medium',
    );
  if (size < imageSize)
    return no(`${path} is too small: ${size} bytes, the image has ${imageSize}`, 'take a larger one');
  return undefined;
}

/** One line about a disk without its size: `SanDisk Ultra, USB, serial 4C53`. */
export function describeDevice({ model, transport, serials }: BlockDevice): string {
  const serial = serials[0] === undefined ? 'no serial number' : `serial ${serials[0]}`;
  return [model, transport, serial].filter((word) => word !== '').join(', ');
}

interface Mount {
  readonly numbers: string;
  /** Name of the source's device, else the source as the kernel writes it. */
  readonly source: string;
  readonly on: string;
}

/** Reads proc_pid_mountinfo(5). The source counts as well, because btrfs shows device numbers of its own. */
async function mountsOf({ proc }: Roots): Promise<readonly Mount[]> {
  const mounts: Mount[] = [];
  for (const line of (await readFile(`${proc}/self/mountinfo`, 'utf8')).split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const [, , numbers = '', , on = ''] = before.split(' ');
    const source = after.split(' ')[1] ?? '';
    if (numbers !== '')
      mounts.push({ numbers, source: await deviceName(unescaped(source)), on: unescaped(on) });
  }
  return mounts;
}

async function swapsOf({ proc }: Roots): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  const [, ...lines] = (await readFile(`${proc}/swaps`, 'utf8')).split('\n');
  for (const line of lines) {
    const [path = ''] = line.split(/\s/);
    if (path !== '') found.add(await deviceName(unescaped(path)));
  }
  return found;
}

/** `/dev/mapper/x` → `dm-0` if that is a link. Any text that is not a path is returned unchanged. */
async function deviceName(path: string): Promise<string> {
  if (!path.startsWith('/dev/')) return path;
  try {
    return basename(await realpath(path));
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'EACCES') return basename(path);
    throw error;
  }
}

/** `\040` → blank, as the kernel writes names in these tables. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_all, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

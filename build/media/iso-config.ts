import type { FileHandle } from 'node:fs/promises';
import { badInput } from '../../sdk/lib/errors.ts';

/** The area for a machine config on an ISO: a file of line feeds in the ISO's root. `iso embed` overwrites it. */
export const CONFIG_FILE = 'ignition.ign';
/** Its size in bytes. */
export const CONFIG_AREA = 256 << 10;
/** The application identifier of the volume (ECMA-119, 8.4.20). It marks an ISO of Draisine. */
export const APPLICATION = 'DRAISINE';

const SECTOR = 2048;
/** The root directory of our ISOs has a few entries. A larger one is not ours. */
const LARGEST_ROOT = 64 << 10;

/**
 * The offset of the area in an ISO image, in bytes. It comes from the primary volume descriptor and the root directory
 * (ECMA-119, 8.4 and 9.1). A damaged ISO, or a file that is not an ISO of Draisine, is a Failure. `where`: for errors.
 */
export async function findConfigArea(file: FileHandle, where: string): Promise<number> {
  const { size } = await file.stat();
  const notOurs = (why: string) =>
    badInput(`not an ISO image of Draisine: ${why}`, {
      where,
      hint: 'name an ISO that draisine build has made (in out/IMAGE/)',
    });
  const read = async (offset: number, length: number): Promise<Buffer> => {
    if (offset + length > size) throw notOurs('it is cut off');
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await file.read(buffer, 0, length, offset);
    if (bytesRead !== length) throw notOurs('it is cut off');
    return buffer;
  };
  const descriptor = await read(16 * SECTOR, SECTOR);
  if (descriptor[0] !== 1 || descriptor.toString('latin1', 1, 6) !== 'CD001')
    throw notOurs('it has no ISO 9660 file system');
  const application = descriptor.toString('latin1', 574, 702).trimEnd();
  if (application !== APPLICATION) throw notOurs(`its application is called '${printable(application)}'`);

  const rootSize = descriptor.readUInt32LE(156 + 10);
  if (rootSize === 0 || rootSize > LARGEST_ROOT) throw notOurs('its root directory is damaged');
  const root = await read(descriptor.readUInt32LE(156 + 2) * SECTOR, rootSize);
  for (let at = 0; at < root.length; ) {
    const length = root[at] ?? 0;
    // No record crosses the border of two sectors, so the rest of this sector is empty.
    if (length === 0) at = (Math.floor(at / SECTOR) + 1) * SECTOR;
    else {
      const nameLength = root[at + 32] ?? 0;
      if (length < 34 || at + length > root.length || 33 + nameLength > length)
        throw notOurs('its root directory is damaged');
      if (root.toString('latin1', at + 33, at + 33 + nameLength) === `${CONFIG_FILE.toUpperCase()};1`) {
        const offset = root.readUInt32LE(at + 2) * SECTOR;
        if (
          root.readUInt32LE(at + 10) !== CONFIG_AREA ||
          offset <= 17 * SECTOR ||
          offset + CONFIG_AREA > size
        )
          throw notOurs('its area for a config is damaged');
        return offset;
      }
      at += length;
    }
  }
  throw notOurs('it has no area for a config');
}

/** The new content of the area: `config`, which may be empty, and line feeds up to its end. */
export function configArea(config: string, where: string): Buffer {
  const bytes = Buffer.from(config);
  if (bytes.length > CONFIG_AREA) {
    throw badInput(`the config has ${bytes.length} bytes, an ISO has room for ${CONFIG_AREA}`, {
      where,
      hint: 'let the machine fetch the rest: ignition.config.replace, or files with a URL as source',
    });
  }
  return Buffer.concat([bytes, Buffer.alloc(CONFIG_AREA - bytes.length, '\n')]);
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}

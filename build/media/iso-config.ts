import type { FileHandle } from 'node:fs/promises';
import { badInput } from '../../sdk/lib/errors.ts';

/** The area for a machine config on an ISO: a file of line feeds in its root, which a config is written over. */
export const CONFIG_FILE = 'ignition.ign';
/** Its size in bytes. */
export const CONFIG_AREA = 256 << 10;
/** What the volume says it is for (ECMA-119, 8.4.20): by this one of ours is known. */
export const APPLICATION = 'DRAISINE';

const SECTOR = 2048;
/** A root directory of ours has a few entries; what claims to be larger is not ours. */
const LARGEST_ROOT = 64 << 10;

/**
 * Where the area lies in an ISO image, in bytes from its beginning, after the primary volume descriptor and the root
 * directory (ECMA-119, 8.4 and 9.1). A file that is no ISO of ours, or a damaged one, is a Failure. `where`: for errors.
 */
export async function findConfigArea(file: FileHandle, where: string): Promise<number> {
  const { size } = await file.stat();
  const notOurs = (why: string) =>
    badInput(`not an ISO image of Draisine: ${why}`, {
      where,
      hint: 'name one that draisine build has made, iso in out/IMAGE/',
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
    // The rest of a sector is empty: no record lies across two.
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

/** What is written over the area: `config`, or nothing, and line feeds up to its end. */
export function configArea(config: string, where: string): Buffer {
  const bytes = Buffer.from(config);
  if (bytes.length > CONFIG_AREA) {
    throw badInput(`the config has ${bytes.length} bytes, an ISO has room for ${CONFIG_AREA}`, {
      where,
      hint: 'have it fetch the rest: ignition.config.replace, or files with a source by URL',
    });
  }
  return Buffer.concat([bytes, Buffer.alloc(CONFIG_AREA - bytes.length, '\n')]);
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}

import type { FileHandle } from 'node:fs/promises';
import { Failure } from '../../sdk/lib/errors.ts';
import { readExactly } from '../../sdk/lib/read.ts';

/** A member of an ar archive. Its content is bytes `[offset, offset + size)` of the file. */
export interface ArMember {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

const MAGIC = '!<arch>\n';
const HEADER = 60;

/**
 * Lists the members of an ar archive in the form that deb(5) allows: no symbol table, no long names, members at even
 * offsets. `where` names the archive in errors.
 */
export async function readAr(file: FileHandle, where: string): Promise<ArMember[]> {
  const { size: length } = await file.stat();
  const magic = await readExactly(file, 0, Math.min(MAGIC.length, length));
  if (magic.toString('latin1') !== MAGIC) throw new Failure('not a .deb: the ar magic is missing', { where });
  const members: ArMember[] = [];
  let at = MAGIC.length;
  while (at < length) {
    if (length - at < HEADER)
      throw new Failure(`truncated .deb: incomplete ar header at byte ${at}`, { where });
    const header = (await readExactly(file, at, HEADER)).toString('latin1');
    if (header.slice(58) !== '`\n') throw new Failure(`broken ar header at byte ${at}`, { where });
    const name = header.slice(0, 16).trimEnd().replace(/\/$/, '');
    const digits = header.slice(48, 58).trimEnd();
    if (name === '' || !/^\d+$/.test(digits)) throw new Failure(`broken ar header at byte ${at}`, { where });
    const size = Number(digits);
    const offset = at + HEADER;
    if (offset + size > length) {
      const rest = length - offset;
      throw new Failure(
        `truncated .deb: ${name} has ${size} bytes by its header, but only ${rest} are left`,
        { where },
      );
    }
    members.push({ name, offset, size });
    at = offset + size + (size % 2);
  }
  return members;
}

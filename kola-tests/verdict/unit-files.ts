import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { byteOrder } from '../../sdk/lib/files.ts';
import { ROOMS } from './rules.ts';

/** All `*.test.ts` of a checkout, absolute, sorted. */
export async function unitTestFiles(checkout: string): Promise<string[]> {
  const lists = await Promise.all(
    Object.keys(ROOMS)
      .filter((room) => existsSync(join(checkout, room)))
      .map(async (room) => {
        const names = await readdir(join(checkout, room), { recursive: true });
        return names.filter((name) => name.endsWith('.test.ts')).map((name) => join(checkout, room, name));
      }),
  );
  return lists.flat().sort(byteOrder);
}

import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { byteOrder } from '../../sdk/lib/files.ts';
import { ROOMS } from './rules.ts';

/** Unit tests that take minutes: `test --all` runs them, the gate does not. */
const LONG = '.long.test.ts';

/** All `*.test.ts` of a checkout, absolute, sorted; with `long`, those of the name `*.long.test.ts` as well. */
export async function unitTestFiles(
  checkout: string,
  { long }: { readonly long: boolean },
): Promise<string[]> {
  const lists = await Promise.all(
    Object.keys(ROOMS)
      .filter((room) => existsSync(join(checkout, room)))
      .map(async (room) => {
        const names = await readdir(join(checkout, room), { recursive: true });
        return names
          .filter((name) => name.endsWith('.test.ts') && (long || !name.endsWith(LONG)))
          .map((name) => join(checkout, room, name));
      }),
  );
  return lists.flat().sort(byteOrder);
}

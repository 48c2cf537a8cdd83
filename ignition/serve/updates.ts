import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { badInput } from '../../sdk/lib/errors.ts';
import type { Answer } from './http.ts';

/** The path of the published folder on this server: `http://HOST/updates` is the `base` for boxes. */
export const UPDATES = '/updates/';

/** Checks a published folder (docs/releases.md, BASE). Throws badInput if boxes cannot use it. */
export function updatesFolder(path: string): string {
  const folder = resolve(path);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw badInput('not a folder', {
      where: path,
      hint: '--updates takes the folder of ./draisine channel init',
    });
  if (!existsSync(join(folder, 'root.json')))
    throw badInput('no channel is published there: it has no root.json', {
      where: path,
      hint: './draisine channel init FOLDER IMAGE writes it',
    });
  return folder;
}

/**
 * The file at a path below `UPDATES`. Names that begin with a dot are refused, because they are unfinished files of a
 * publisher.
 */
export function updateAt(folder: string, path: string): Answer | undefined {
  const names = path.slice(UPDATES.length).split('/');
  if (names.some((name) => !/^[A-Za-z0-9_][A-Za-z0-9._+-]*$/.test(name))) return undefined;
  const file = join(folder, ...names);
  return statSync(file, { throwIfNoEntry: false })?.isFile() ? { file } : undefined;
}

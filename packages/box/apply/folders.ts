import { type Box, foldersAbove } from '../io/box.ts';
import { lookAt } from './actual.ts';
import { VENDOR } from './nodes.ts';
import type { NodeWish, Wishes } from './wishes.ts';

/** In other places the running system makes folders, so their state before the config is unknown. */
const KNOWN = /^\/(etc|opt)\/./;

/**
 * Folders that the new config no longer names, but that hold paths of the new config. They get the owner and mode that
 * they have on a machine that never had the old config: those of the release, or root's.
 */
export function foldersBack(box: Box, old: Wishes, next: Wishes): Map<string, NodeWish> {
  const needed = new Set([...next.nodes.keys()].flatMap(foldersAbove));
  const left = [...old.nodes.values()].filter(
    ({ type, path }) => type === 'directory' && !next.nodes.has(path) && needed.has(path) && KNOWN.test(path),
  );
  const vendor = lookAt(
    box,
    left.map(({ path }) => `${VENDOR}${path}`),
  );
  return new Map(
    left.map(({ path }) => {
      const own = vendor.get(`${VENDOR}${path}`);
      const { mode, uid, gid } = own?.type === 'directory' ? own : { mode: 0o755, uid: 0, gid: 0 };
      return [path, { type: 'directory', path, mode, user: uid, group: gid }];
    }),
  );
}

import type { Entry } from '../tree/entry.ts';
import { inlineContent } from '../tree/overlay.ts';

/** An entry that comes from no package. Its origin names the fix-up that made it. */
export type Generated = Entry;

interface Ownership {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** A file whose content a recipe made. `by` names the maker, for `why`. */
export function generatedFile(
  path: string,
  content: string | Uint8Array,
  by: string,
  { mode = 0o644, uid = 0, gid = 0 }: Ownership = {},
): Generated {
  return { type: 'file', path, mode, uid, gid, origin: `fixup:${by}`, content: inlineContent(content) };
}

/** A symbolic link that a recipe made. */
export function generatedLink(path: string, target: string, by: string): Generated {
  return { type: 'symlink', path, target, mode: 0o777, uid: 0, gid: 0, origin: `fixup:${by}` };
}

import { byteOrder } from '../../sdk/lib/files.ts';
import type { Artifact } from '../product/manifest.ts';
import type { TreeDocument } from './tree-document.ts';

/** The sizes of an image's parts, in bytes. Those of the tree are before compression. */
export interface SizeReport {
  /** Sum over all files of the tree; a hard link counts once. */
  readonly total: number;
  /** By origin, the largest first. */
  readonly origins: readonly { readonly origin: string; readonly files: number; readonly bytes: number }[];
  /** Removed files, in the order of the trims. */
  readonly trims: readonly { readonly reason: string; readonly count: number; readonly bytes: number }[];
  readonly artifacts: readonly Artifact[];
}

/** Adds up the bytes of `/usr` by the package that each file comes from, and of the artifacts. */
export function sizeReport(tree: TreeDocument, artifacts: readonly Artifact[]): SizeReport {
  const origins = new Map<string, { files: number; bytes: number }>();
  let total = 0;
  for (const entry of tree.entries) {
    const sum = origins.get(entry.origin) ?? { files: 0, bytes: 0 };
    origins.set(entry.origin, sum);
    if (entry.type !== 'file') continue;
    sum.files++;
    sum.bytes += entry.content.size;
    total += entry.content.size;
  }
  return {
    total,
    origins: [...origins]
      .map(([origin, sum]) => ({ origin, ...sum }))
      .sort((a, b) => b.bytes - a.bytes || byteOrder(a.origin, b.origin)),
    trims: tree.trims ?? [],
    artifacts,
  };
}

/** A node of the treemap. */
export interface Area {
  readonly name: string;
  readonly bytes: number;
  readonly parts: readonly Area[];
}

/** The tree by folders. */
export function areasByFolder(tree: TreeDocument): Area {
  interface Folder {
    bytes: number;
    readonly parts: Map<string, Folder>;
  }
  const root: Folder = { bytes: 0, parts: new Map() };
  for (const entry of tree.entries) {
    if (entry.type !== 'file' || entry.content.size === 0) continue;
    let at = root;
    at.bytes += entry.content.size;
    for (const name of entry.path.split('/')) {
      const next: Folder = at.parts.get(name) ?? { bytes: 0, parts: new Map() };
      at.parts.set(name, next);
      next.bytes += entry.content.size;
      at = next;
    }
  }
  const freeze = (name: string, { bytes, parts }: Folder): Area => {
    const only = parts.size === 1 ? [...parts][0] : undefined;
    // A folder with a single entry is drawn as one: `usr/lib/firmware`.
    if (only && only[1].parts.size > 0) return freeze(name === '' ? only[0] : `${name}/${only[0]}`, only[1]);
    return { name, bytes, parts: sortAreas([...parts].map(([part, folder]) => freeze(part, folder))) };
  };
  return freeze('', root);
}

/** The tree by origin, then by file. */
export function areasByOrigin(tree: TreeDocument): Area {
  const origins = new Map<string, Area[]>();
  for (const entry of tree.entries) {
    if (entry.type !== 'file' || entry.content.size === 0) continue;
    const files = origins.get(entry.origin) ?? [];
    files.push({ name: entry.path, bytes: entry.content.size, parts: [] });
    origins.set(entry.origin, files);
  }
  const parts = sortAreas(
    [...origins].map(([name, files]) => ({ name, bytes: sumOf(files), parts: sortAreas(files) })),
  );
  return { name: '', bytes: sumOf(parts), parts };
}

function sumOf(areas: readonly Area[]): number {
  return areas.reduce((sum, { bytes }) => sum + bytes, 0);
}

function sortAreas(areas: Area[]): Area[] {
  return areas.sort((a, b) => b.bytes - a.bytes || byteOrder(a.name, b.name));
}

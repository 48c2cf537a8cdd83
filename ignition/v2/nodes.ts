import { compact, type Json, type JsonObject } from '../json/value.ts';
import { problem, type Report } from '../report.ts';
import { cleanPath } from '../rules/path.ts';
import type { V2Config, V2Directory, V2File, V2Link, V2Node, V2Resource } from './model.ts';
import { eachAt } from './storage.ts';

export function translateResource({
  source,
  compression,
  verification,
  httpHeaders = [],
}: V2Resource): JsonObject {
  return compact({
    source,
    compression: compression || undefined,
    verification: compact({ hash: verification?.hash }),
    httpHeaders: httpHeaders.map(({ name, value }) => ({ name, value })),
  });
}

/** Absolute path in the running system, or undefined (reported). */
function absolutePath(node: V2Node, paths: ReadonlyMap<string, string>, report: Report): string | undefined {
  const base = paths.get(node.filesystem);
  if (base === undefined) {
    report.error(
      problem(
        `${node.path} lies on filesystem "${node.filesystem}", of which no mount path is known`,
        `give it: --filesystem ${node.filesystem || 'NAME'}=/PATH`,
      ),
      'filesystem',
    );
    return undefined;
  }
  return cleanPath(`${base}/${node.path}`);
}

function translateNode(node: V2Node, path: string): { [key: string]: Json | undefined } {
  return {
    path,
    overwrite: node.overwrite,
    user: compact({ id: node.user?.id, name: node.user?.name || undefined }),
    group: compact({ id: node.group?.id, name: node.group?.name || undefined }),
  };
}

/** A file of spec 2 without a source is an empty file; it overwrites unless it says otherwise. */
function translateFile(file: V2File, path: string): JsonObject {
  const source = file.contents?.source || 'data:,';
  const contents = translateResource({ ...file.contents, source });
  if (file.append)
    return compact({
      ...translateNode({ ...file, overwrite: false }, path),
      mode: file.mode,
      append: [contents],
    });
  const overwrite = file.overwrite ?? true;
  return compact({ ...translateNode({ ...file, overwrite }, path), mode: file.mode, contents });
}

/** The later of two files with one path: appended, or in the place of the earlier. */
function combineFiles(earlier: JsonObject, later: JsonObject, report: Report): JsonObject {
  if (later.append !== undefined) {
    const { append, overwrite: _, ...attributes } = later;
    return {
      ...earlier,
      ...attributes,
      append: [...((earlier.append as Json[] | undefined) ?? []), ...(append as Json[])],
    };
  }
  if (later.overwrite === false) {
    report.error(
      problem(`${String(later.path)} is written twice, the second time with overwrite: false`, 'remove one'),
    );
  }
  return later;
}

type Kind = 'files' | 'directories' | 'links';

/** Files, directories and links by path. */
export function translateNodes(
  storage: NonNullable<V2Config['storage']>,
  paths: ReadonlyMap<string, string>,
  report: Report,
): { readonly [kind in Kind]: Json[] } {
  const nodes = new Map<string, { kind: Kind; entry: JsonObject }>();
  const place = (kind: Kind, path: string, entry: JsonObject): void => {
    const before = nodes.get(path);
    if (before === undefined) nodes.set(path, { kind, entry });
    else if (before.kind !== kind) {
      report.error(
        problem(`${path} is already one of the ${before.kind}`, 'a path can be one thing only: remove one'),
      );
    } else
      nodes.set(path, { kind, entry: kind === 'files' ? combineFiles(before.entry, entry, report) : entry });
  };
  const visit = <T extends V2Node>(
    kind: Kind,
    items: readonly T[] | undefined,
    make: (item: T, path: string) => JsonObject,
  ): void =>
    eachAt(report, kind, items, (item) => {
      const path = absolutePath(item, paths, report);
      if (path !== undefined) place(kind, path, make(item, path));
    });
  visit('files', storage.files, translateFile);
  visit('directories', storage.directories, (directory: V2Directory, path) =>
    compact({ ...translateNode(directory, path), mode: directory.mode }),
  );
  visit('links', storage.links, (link: V2Link, path) =>
    compact({ ...translateNode(link, path), hard: link.hard || undefined, target: link.target }),
  );
  const of = (kind: Kind): Json[] =>
    [...nodes.values()].filter((node) => node.kind === kind).map(({ entry }) => entry);
  return { files: of('files'), directories: of('directories'), links: of('links') };
}

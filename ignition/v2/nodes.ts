import { posix } from 'node:path';
import { cleanPath } from '../base/clean-path.ts';
import { octalText } from '../base/mode.ts';
import type { Step } from '../base/step.ts';
import { compact, type Json, type JsonObject } from '../json/value.ts';
import type { V2Config, V2Directory, V2File, V2Link, V2Node, V2Resource } from './model.ts';
import { eachAt, problem, type Report } from './report.ts';

/** Contents of spec 2, in the form of spec 3. */
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

/** Absolute path in the running system; undefined after a report. */
function absolutePath(node: V2Node, paths: ReadonlyMap<string, string>, report: Report): string | undefined {
  if (!node.path.startsWith('/')) {
    const hint = node.path === '' ? 'give an absolute path' : `write it from the root, e.g. /${node.path}`;
    report.error(problem(node.path === '' ? 'path not specified' : 'path not absolute', hint), 'path');
    return undefined;
  }
  const base = paths.get(node.filesystem);
  if (base === undefined) {
    report.error(
      problem(
        node.filesystem === ''
          ? `${node.path} names no filesystem`
          : `${node.path} lies on filesystem "${node.filesystem}", of which no mount path is known`,
        node.filesystem === ''
          ? 'write "filesystem": "root"'
          : `give it: --filesystem ${node.filesystem}=/PATH`,
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

/**
 * The mode of a file or directory. Without a mode it has no permissions in spec 2, and those of a default in
 * spec 3.
 */
function translateMode({ mode }: V2Directory, usual: number, report: Report): number {
  if (mode === undefined) {
    report.warning(
      problem(
        'permissions unset: spec 2 means 0000, which only root passes, and so does the result',
        `give it a mode: ${usual} is ${octalText(usual)}`,
      ),
    );
  }
  return mode ?? 0;
}

/** In spec 2 a file without a source is empty, and replaces an existing file unless it says otherwise. */
function translateFile(file: V2File, path: string, report: Report): JsonObject {
  const source = file.contents?.source || 'data:,';
  const contents = report.made(translateResource({ ...file.contents, source }), 'contents');
  if (file.append)
    return compact({
      ...translateNode({ ...file, overwrite: false }, path),
      mode: file.mode,
      append: [contents],
    });
  const overwrite = file.overwrite ?? true;
  const mode = translateMode(file, 0o644, report);
  return compact({ ...translateNode({ ...file, overwrite }, path), mode, contents });
}

/** Adds the later of two files with one path: it is appended, or replaces the earlier one. */
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

/** Folders that exist on every system: folders of the root, and some below them. */
const SHIPPED = /^\/([^/]*|(etc|usr|var)\/[^/]+)$/;

/**
 * Missing parent folders get the mode and owner of the wanted folder in spec 2, and 0755 and root in spec 3.
 */
function noteParents(
  { path, mode, user, group }: JsonObject,
  made: ReadonlySet<string>,
  report: Report,
): void {
  const parent = posix.dirname(String(path));
  if (SHIPPED.test(parent) || made.has(parent)) return;
  if (mode === 0o755 && user === undefined && group === undefined) return;
  report.warning(
    problem(
      `where ${parent} is not there yet, spec 2 makes it with the same mode and owner, spec 3 with 0755 and root`,
      `list ${parent} among the directories with what it shall have`,
    ),
    'path',
  );
}

/** A file from another section, with its origin. */
export interface PlacedFile {
  readonly file: V2File;
  readonly at: readonly Step[];
}

/**
 * Files, directories and links by path.
 * @param more files from other sections, by their paths in the running system
 */
export function translateNodes(
  storage: NonNullable<V2Config['storage']>,
  more: readonly PlacedFile[],
  paths: ReadonlyMap<string, string>,
  report: Report,
): { readonly [kind in Kind]: Json[] } {
  const nodes = new Map<string, { kind: Kind; entry: JsonObject }>();
  const place = (kind: Kind, path: string, entry: JsonObject): void => {
    const before = nodes.get(path);
    if (before === undefined) nodes.set(path, { kind, entry: report.made(entry) });
    else if (before.kind !== kind) {
      report.error(
        problem(`${path} is already one of the ${before.kind}`, 'a path can be one thing only: remove one'),
      );
    } else {
      const combined = kind === 'files' ? combineFiles(before.entry, entry, report) : entry;
      nodes.set(path, { kind, entry: report.made(combined) });
    }
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
  const folders = new Set(
    (storage.directories ?? []).map(({ filesystem, path }) => cleanPath(`${paths.get(filesystem)}/${path}`)),
  );
  visit('files', storage.files, (file: V2File, path) => translateFile(file, path, report));
  for (const { file, at } of more)
    report.within(at, () => place('files', file.path, translateFile(file, file.path, report)));
  visit('directories', storage.directories, (directory: V2Directory, path) => {
    const mode = translateMode(directory, 0o755, report);
    const made = compact({ ...translateNode(directory, path), mode });
    noteParents(made, folders, report);
    return made;
  });
  visit('links', storage.links, (link: V2Link, path) =>
    compact({ ...translateNode(link, path), hard: link.hard || undefined, target: link.target }),
  );
  const of = (kind: Kind): Json[] =>
    [...nodes.values()].filter((node) => node.kind === kind).map(({ entry }) => entry);
  return { files: of('files'), directories: of('directories'), links: of('links') };
}

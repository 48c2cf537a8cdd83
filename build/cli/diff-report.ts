import { byteOrder, canonicalJson } from '../../sdk/lib/files.ts';
import type { Manifest } from '../product/manifest.ts';
import type { ImagePackage } from '../product/product.ts';
import type { Content, Entry } from '../tree/entry.ts';
import {
  isKernelConfig,
  isPasswd,
  parseKernelConfig,
  parsePasswd,
  privilegedOf,
  unitsOf,
} from '../tree/facts.ts';
import type { FileEntry, TreeDocument } from './tree-document.ts';

/** Names that only one side has, and names whose values differ; each list is sorted. */
export interface Changes<T> {
  readonly added: readonly T[];
  readonly removed: readonly T[];
  readonly changed: readonly { readonly name: string; readonly from: string; readonly to: string }[];
}

/** The changes from one image to another. Parts that need tree documents are absent if one is missing. */
export interface DiffReport {
  readonly from: { readonly name: string; readonly version: string; readonly usrHash: string };
  readonly to: { readonly name: string; readonly version: string; readonly usrHash: string };
  /** By `name version`; changed: versions. */
  readonly packages: Changes<string>;
  /** Bytes; null if the artifact does not exist. */
  readonly artifacts: readonly {
    readonly name: string;
    readonly from: number | null;
    readonly to: number | null;
    readonly same: boolean;
  }[];
  /** By profile of the boot menu; absent if a manifest does not have it. */
  readonly commandLines?: Changes<string>;
  readonly files?: Changes<string>;
  /** Files with setuid or setgid bit or file capabilities; changed: mode, owner or capabilities. */
  readonly privileged?: Changes<string>;
  /** Unit files of systemd and the links that enable them. */
  readonly units?: Changes<string>;
  /** passwd(5) lines. */
  readonly users?: Changes<string>;
  /** CONFIG_ lines of the kernel's configuration. */
  readonly kernelConfig?: Changes<string>;
  /** Paths that could not be compared, with the reason. */
  readonly unknown: readonly string[];
}

/** One of the two builds that are compared. */
export interface Side {
  readonly manifest: Manifest;
  readonly tree?: TreeDocument;
  /** Undefined if the bytes are not at hand. */
  readonly read: (content: Content) => Promise<Buffer | undefined>;
}

/** Compares two builds: packages, artifacts, and, if both trees are known, the files of `/usr`. */
export async function diffReport(from: Side, to: Side): Promise<DiffReport> {
  const unknown: string[] = [];
  const base = {
    from: identity(from.manifest),
    to: identity(to.manifest),
    packages: packageChanges(from.manifest.packages, to.manifest.packages),
    artifacts: artifactSizes(from.manifest, to.manifest),
    ...commandLineChanges(from.manifest, to.manifest, unknown),
  };
  for (const side of [from, to])
    if (!side.tree)
      unknown.push(`${side.manifest.name} ${side.manifest.version}: no tree.json beside the manifest`);
  if (!from.tree || !to.tree) return { ...base, unknown };
  const [a, b] = [from.tree, to.tree];
  const files = changes(new Map(a.entries.map(describeEntry)), new Map(b.entries.map(describeEntry)));
  return {
    ...base,
    files,
    privileged: changes(privilegedOf(a), privilegedOf(b)),
    units: changes(unitsOf(a), unitsOf(b)),
    users: changes(
      await linesOf(from, isPasswd, parsePasswd, unknown),
      await linesOf(to, isPasswd, parsePasswd, unknown),
    ),
    kernelConfig: changes(
      await linesOf(from, isKernelConfig, parseKernelConfig, unknown),
      await linesOf(to, isKernelConfig, parseKernelConfig, unknown),
    ),
    unknown,
  };
}

/** Compares two tables of name → description. */
function changes(from: ReadonlyMap<string, string>, to: ReadonlyMap<string, string>): Changes<string> {
  const sorted = (names: Iterable<string>) => [...names].sort(byteOrder);
  return {
    added: sorted(to.keys()).filter((name) => !from.has(name)),
    removed: sorted(from.keys()).filter((name) => !to.has(name)),
    changed: sorted(from.keys()).flatMap((name) => {
      const [before, after] = [from.get(name), to.get(name)];
      return before === undefined || after === undefined || before === after
        ? []
        : [{ name, from: before, to: after }];
    }),
  };
}

function identity({ name, version, usrHash }: Manifest): { name: string; version: string; usrHash: string } {
  return { name, version, usrHash };
}

function packageChanges(from: readonly ImagePackage[], to: readonly ImagePackage[]): Changes<string> {
  const table = (packages: readonly ImagePackage[]) =>
    new Map(packages.map(({ name, version }) => [name, version]));
  const [before, after] = [table(from), table(to)];
  const { added, removed, changed } = changes(before, after);
  return {
    added: added.map((name) => `${name} ${after.get(name)}`),
    removed: removed.map((name) => `${name} ${before.get(name)}`),
    changed,
  };
}

function commandLineChanges(
  from: Manifest,
  to: Manifest,
  unknown: string[],
): { readonly commandLines?: Changes<string> } {
  for (const { name, version, commandLines } of [from, to])
    if (!commandLines) unknown.push(`${name} ${version}: its manifest does not name the kernel command line`);
  if (!from.commandLines || !to.commandLines) return {};
  const table = (lines: Readonly<Record<string, string>>) => new Map(Object.entries(lines));
  return { commandLines: changes(table(from.commandLines), table(to.commandLines)) };
}

function artifactSizes(from: Manifest, to: Manifest): DiffReport['artifacts'] {
  const table = ({ artifacts }: Manifest) => new Map(artifacts.map((each) => [each.name, each]));
  const [before, after] = [table(from), table(to)];
  const names = [...new Set([...before.keys(), ...after.keys()])].sort(byteOrder);
  return names.map((name) => {
    const [a, b] = [before.get(name), after.get(name)];
    return { name, from: a?.size ?? null, to: b?.size ?? null, same: a?.sha256 === b?.sha256 };
  });
}

/**
 * One line for an entry without its origin: a file may come from another package without changing the image.
 */
function describeEntry(entry: Entry): [string, string] {
  const rights = `${entry.mode.toString(8).padStart(4, '0')} ${entry.uid}:${entry.gid}`;
  const xattrs =
    entry.xattrs && Object.keys(entry.xattrs).length > 0 ? ` ${canonicalJson(entry.xattrs)}` : '';
  switch (entry.type) {
    case 'file':
      return [
        entry.path,
        `file ${rights}${xattrs} ${entry.content.size} B ${entry.content.sha256.slice(0, 12)}`,
      ];
    case 'dir':
      return [entry.path, `dir ${rights}${xattrs}`];
    default:
      return [entry.path, `${entry.type} ${entry.target}`];
  }
}

async function linesOf(
  side: Side,
  matches: (path: string) => boolean,
  parse: (text: string) => [string, string][],
  unknown: string[],
): Promise<Map<string, string>> {
  const lines: [string, string][] = [];
  for (const entry of side.tree?.entries ?? []) {
    if (entry.type !== 'file' || !matches(entry.path)) continue;
    const bytes = await side.read((entry as FileEntry).content);
    if (bytes) lines.push(...parse(bytes.toString('utf8')));
    else unknown.push(`${side.manifest.name} ${side.manifest.version}: ${entry.path} is not in this store`);
  }
  return new Map(lines);
}

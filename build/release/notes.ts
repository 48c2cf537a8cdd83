import { formatBytes, formatDelta } from '../../sdk/lib/bytes.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import type { ImageFacts } from '../image/facts.ts';
import type { SourcePackage } from '../image/spdx.ts';
import { changedWords } from '../product/command-lines.ts';
import type { Manifest } from '../product/manifest.ts';
import { type ChangelogEntry, entriesBetween, parseChangelog, vulnerabilitiesIn } from './changelog.ts';
import type { Release } from './format/types.ts';

/** The parts of a release that release notes need. */
export interface NotedRelease {
  readonly release: Release;
  readonly manifest: Manifest;
  readonly facts: ImageFacts;
  /** The source of each package, by the package's name. A package that is not here has the name and version of its source. */
  readonly sources: ReadonlyMap<string, SourcePackage>;
}

/** A named thing that changed. Without `from` it is new, without `to` it is gone. */
export interface Change {
  readonly name: string;
  readonly from?: string;
  readonly to?: string;
}

/** A package that has changed, with its changelog. */
export interface PackageChange extends Change {
  /** The name of the package that it replaces, if that is another one. */
  readonly formerly?: string;
  /** Its entries in the Debian changelog; undefined if unknown. */
  readonly entries?: readonly ChangelogEntry[];
}

/** The changes from one release to another, as data. `formatNotes` makes Markdown of it. */
export interface Notes {
  readonly from: string;
  readonly to: string;
  readonly image: string;
  readonly severity: Release['severity'];
  readonly kernel: { readonly from: string; readonly to: string };
  readonly zfs: { readonly from?: string; readonly to?: string; readonly features: readonly string[] };
  readonly packages: readonly PackageChange[];
  readonly vulnerabilities: readonly string[];
  /** Sizes of files of the release, in bytes. */
  readonly sizes: readonly { readonly name: string; readonly from?: number; readonly to?: number }[];
  readonly privileged: readonly Change[];
  readonly units: readonly Change[];
  readonly listeners: readonly Change[];
  readonly users: readonly Change[];
  readonly kernelConfig: readonly Change[];
  /** The kernel command line of each profile of the boot menu; empty where a release does not name its own. */
  readonly commandLines: readonly Change[];
}

/** Names that only one table has, or whose values differ. */
function compareTables(
  from: Readonly<Record<string, string>>,
  to: Readonly<Record<string, string>>,
): Change[] {
  const names = [...new Set([...Object.keys(from), ...Object.keys(to)])].sort(byteOrder);
  return names.flatMap((name) => {
    const [before, after] = [from[name], to[name]];
    if (before === after) return [];
    return [
      {
        name,
        ...(before === undefined ? {} : { from: before }),
        ...(after === undefined ? {} : { to: after }),
      },
    ];
  });
}

/** Packages that changed, are new, or are gone. A kernel that replaces another one is a change. */
export function packageChanges(from: Manifest, to: Manifest): PackageChange[] {
  const table = ({ packages }: Manifest) =>
    Object.fromEntries(packages.map(({ name, version }) => [name, version]));
  const changes = compareTables(table(from), table(to));
  // Debian has the version of a kernel in the name of its package.
  const kernels = changes.filter(({ name }) => /^linux-image-\d/.test(name));
  const [gone, ...others] = kernels.filter((change) => change.to === undefined);
  const [made, ...more] = kernels.filter((change) => change.from === undefined);
  if (!gone?.from || !made || others.length + more.length > 0) return changes;
  const { from: version, name: formerly } = gone;
  return changes.flatMap((change) =>
    change === gone ? [] : [change === made ? { ...made, from: version, formerly } : change],
  );
}

/**
 * Adds the entries of its changelog to each changed package. A changelog has versions of the source package, which may
 * differ from those of its packages: `dmsetup 2:1.02.205-2` comes from `lvm2 2.03.31-2`. `changelogs`: by package. A
 * package without one has that of another package from the same source.
 */
export function withEntries(
  changes: readonly PackageChange[],
  from: Pick<NotedRelease, 'sources'>,
  to: Pick<NotedRelease, 'sources'>,
  changelogs: ReadonlyMap<string, string>,
): PackageChange[] {
  const newSource = ({ name, to: version = '' }: PackageChange) => to.sources.get(name) ?? { name, version };
  const id = ({ name, version }: SourcePackage) => `${name} ${version}`;
  const bySource = new Map<string, string>();
  for (const change of changes) {
    const text = changelogs.get(change.name);
    if (text !== undefined) bySource.set(id(newSource(change)), text);
  }
  return changes.map((change) => {
    if (change.from === undefined || change.to === undefined) return change;
    const after = newSource(change);
    const known = from.sources.get(change.formerly ?? change.name);
    const before = known ?? { name: after.name, version: change.from };
    const text = changelogs.get(change.name) ?? bySource.get(id(after));
    // The versions of two sources cannot be compared.
    if (text === undefined || before.name !== after.name) return change;
    return { ...change, entries: entriesBetween(parseChangelog(text), before.version, after.version) };
  });
}

/** Compares two releases. `packages` are the package changes, with changelogs if they are known. */
export function makeNotes(from: NotedRelease, to: NotedRelease, packages: readonly PackageChange[]): Notes {
  const sizes = compareTables(sizesOf(from.release), sizesOf(to.release));
  const known = new Set(from.release.zfs?.features);
  const text = packages.flatMap(({ entries = [] }) => entries.flatMap(({ lines }) => lines)).join('\n');
  const tables = (pick: (facts: ImageFacts) => ImageFacts['units']) =>
    compareTables(pick(from.facts), pick(to.facts));
  const [before, after] = [from.release.zfs?.version, to.release.zfs?.version];
  return {
    from: from.release.version,
    to: to.release.version,
    image: to.release.image,
    severity: to.release.severity,
    kernel: { from: from.release.kernel, to: to.release.kernel },
    zfs: {
      ...(before === undefined ? {} : { from: before }),
      ...(after === undefined ? {} : { to: after }),
      features: (to.release.zfs?.features ?? []).filter((name) => !known.has(name)),
    },
    packages,
    vulnerabilities: vulnerabilitiesIn(text),
    sizes: sizes.map(({ name, from: a, to: b }) => ({
      name,
      ...(a === undefined ? {} : { from: Number(a) }),
      ...(b === undefined ? {} : { to: Number(b) }),
    })),
    privileged: tables((facts) => facts.privileged),
    units: tables((facts) => facts.units),
    listeners: tables((facts) => facts.listeners),
    users: tables((facts) => facts.users),
    kernelConfig: tables((facts) => facts.kernelConfig),
    commandLines: commandLineChanges(from.manifest, to.manifest),
  };
}

function commandLineChanges({ commandLines: from }: Manifest, { commandLines: to }: Manifest): Change[] {
  // Releases before 2026.12 do not name them. Without this check, all of them would count as new.
  return from && to ? compareTables(from, to) : [];
}

/** Files that boxes and owners fetch. Changes of other documents are not listed. */
function sizesOf({ files }: Release): Record<string, string> {
  return Object.fromEntries(
    Object.entries(files).flatMap(([name, file]) =>
      file && !name.endsWith('.json') ? [[name, String(file.size)]] : [],
    ),
  );
}

/** Markdown that shows a text literally, on one line. */
function code(text: string): string {
  const ticks = text.includes('`') ? '``' : '`';
  return `${ticks}${text}${ticks}`;
}

/** Characters of release notes. GitHub refuses a longer text of a change (65 536), and execve(2) a longer argument. */
const LIMIT = 60_000;
/** Lines of one changelog that are shown: as many as the limit allows. A month of the kernel has thousands. */
const SHOWN = [500, 100, 30, 10, 3];

/**
 * Release notes in Markdown (CommonMark). If all changelogs together are too long, only the first lines of each are
 * shown. The list of vulnerabilities is always complete.
 */
export function formatNotes(notes: Notes): string {
  for (const shown of SHOWN) {
    const text = formatWith(notes, shown);
    if (text.length <= LIMIT) return text;
  }
  return formatWith(notes, 0);
}

/** `shown`: lines of each changelog. */
function formatWith(notes: Notes, shown: number): string {
  const { image, from, to, severity, vulnerabilities, kernel, zfs, packages } = notes;
  const facts = [
    ...(severity === 'none' ? [] : [`Severity: **${severity}**`]),
    ...(vulnerabilities.length > 0 ? [`Repairs: ${vulnerabilities.join(', ')}`] : []),
    kernel.from === kernel.to ? `Kernel: ${kernel.to}, as before` : `Kernel: ${kernel.from} → ${kernel.to}`,
    ...(zfs.to === undefined
      ? []
      : [`OpenZFS: ${zfs.from === zfs.to ? `${zfs.to}, as before` : `${zfs.from ?? 'none'} → ${zfs.to}`}`]),
    ...(zfs.features.length > 0 ? [`New pool features: ${zfs.features.map(code).join(', ')}`] : []),
  ];
  return [
    `# ${image} ${from} → ${to}\n`,
    facts.map((line) => `- ${line}\n`).join(''),
    section('Packages', formatPackages(packages, shown)),
    section('Runs with other rights (setuid, setgid, capabilities)', notes.privileged.map(formatChange)),
    section('Listens at boot', notes.listeners.map(formatChange)),
    section(
      'Units',
      notes.units.map(({ name, from: a, to: b }) => formatChange({ name, ...presence(a, b) })),
    ),
    section('Users', notes.users.map(formatChange)),
    section('Kernel command line', notes.commandLines.map(formatCommandLine)),
    section('Kernel configuration', notes.kernelConfig.map(formatChange)),
    section('Sizes', notes.sizes.map(formatSize)),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `## ${title}\n\n${lines.join('')}`;
}

/** A digest shows that a unit changed, but not how. */
function presence(from: string | undefined, to: string | undefined): Omit<Change, 'name'> {
  if (from === undefined) return { to: 'new' };
  return to === undefined ? { from: 'gone' } : { from: 'changed', to: 'changed' };
}

function formatChange({ name, from, to }: Change): string {
  if (from === 'changed' && to === 'changed') return `- ${code(name)} changed\n`;
  if (from === undefined) return `- ${code(name)} is new${to === 'new' ? '' : `: ${code(to ?? '')}`}\n`;
  if (to === undefined) return `- ${code(name)} is gone\n`;
  return `- ${code(name)}: ${code(from)} → ${code(to)}\n`;
}

function formatCommandLine({ name, from, to }: Change): string {
  return formatChange({
    name,
    ...(from === undefined || to === undefined
      ? { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }
      : changedWords(from, to)),
  });
}

/** Packages of one source share its changelog, which appears once. */
function formatPackages(packages: readonly PackageChange[], shown: number): string[] {
  const told = new Map<string, string>();
  return packages.map((change) => {
    const key = change.entries?.map(({ source, version }) => `${source} ${version}`).join();
    const first = key ? told.get(key) : undefined;
    if (first !== undefined) return `- **${change.name}** ${change.from} → ${change.to}, as ${first}\n`;
    if (key) told.set(key, change.name);
    return formatPackage(change, shown);
  });
}

function formatPackage({ name, from, to, entries }: PackageChange, shown: number): string {
  if (from === undefined) return `- **${name}** ${to} is new\n`;
  if (to === undefined) return `- **${name}** ${from} is gone\n`;
  const head = `- **${name}** ${from} → ${to}\n`;
  if (entries === undefined) return head;
  const quoted = entries.flatMap(({ source, version, lines }) => [`${source} (${version})`, ...lines]);
  const more = quoted.length - shown;
  if (more > 0)
    quoted.splice(shown, more, `… and ${more} more lines: ./draisine release diff --json shows them`);
  return `${head}${quoted.length === 0 ? '' : `\n${['```text', ...quoted, '```'].map((line) => `  ${line}\n`).join('')}\n`}`;
}

function formatSize({ name, from, to }: Notes['sizes'][number]): string {
  if (from === undefined) return `- ${code(name)} is new: ${formatBytes(to ?? 0)}\n`;
  if (to === undefined) return `- ${code(name)} is gone\n`;
  return `- ${code(name)}: ${formatBytes(from)} → ${formatBytes(to)} (${formatDelta(to - from)})\n`;
}

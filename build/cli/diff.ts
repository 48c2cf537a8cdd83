import { formatBytes, formatDelta } from '../../sdk/lib/bytes.ts';
import { openStore } from '../graph/store.ts';
import { changedWords } from '../product/command-lines.ts';
import { findManifest } from '../product/manifest.ts';
import { type Changes, type DiffReport, diffReport, type Side } from './diff-report.ts';
import { formatTable } from './table.ts';
import { readContent, readTreeDocument } from './tree-document.ts';

/** The options of `diff`. */
export interface DiffFlags {
  readonly json?: boolean;
}

/** `diff A B`: text or JSON. */
export async function diff(a: string, b: string, flags: DiffFlags): Promise<void> {
  const store = openStore();
  const side = (where: string): Side => {
    const { manifest, folder } = findManifest(where);
    const tree = readTreeDocument(folder);
    return { manifest, ...(tree ? { tree } : {}), read: (content) => readContent(store, content) };
  };
  const report = await diffReport(side(a), side(b));
  process.stdout.write(flags.json ? `${JSON.stringify(report, null, 2)}\n` : formatDiff(report));
}

/** The comparison as text for a terminal. */
export function formatDiff(report: DiffReport): string {
  const { from, to } = report;
  const title = `${from.name} ${from.version} → ${to.name} ${to.version}`;
  const sections = [
    changeSection('packages', report.packages, true),
    artifactSection(report.artifacts),
    changeSection('setuid, setgid and capabilities', report.privileged, true),
    changeSection('units', report.units, false),
    changeSection('users', report.users, true),
    commandLineSection(report.commandLines),
    changeSection('kernel configuration', report.kernelConfig, true),
    changeSection('files', report.files, false),
    report.unknown.length > 0
      ? `\nnot compared\n${report.unknown.map((line) => `  ${line}\n`).join('')}`
      : '',
  ].join('');
  const same = from.usrHash === to.usrHash ? '\n/usr is the same\n' : '';
  return `${title}\n${same}${sections === '' ? 'nothing changed\n' : sections}`;
}

function changeSection(title: string, changes: Changes<string> | undefined, details: boolean): string {
  if (!changes) return '';
  const { added, removed, changed } = changes;
  if (added.length + removed.length + changed.length === 0) return '';
  const lines = [
    ...removed.map((name) => `  - ${name}`),
    ...added.map((name) => `  + ${name}`),
    ...changed.map(({ name, from, to }) => (details ? `  ~ ${name}: ${from} → ${to}` : `  ~ ${name}`)),
  ];
  return `\n${title}: ${added.length} added, ${removed.length} removed, ${changed.length} changed\n${lines.join('\n')}\n`;
}

/** The words of a command line that were removed and added. If only their order changed, both whole lines. */
function commandLineSection(changes: Changes<string> | undefined): string {
  if (!changes) return '';
  const changed = changes.changed.map(({ name, from, to }) => ({ name, ...changedWords(from, to) }));
  return changeSection('kernel command line', { ...changes, changed }, true);
}

function artifactSection(artifacts: DiffReport['artifacts']): string {
  const moved = artifacts.filter(({ same }) => !same);
  if (moved.length === 0) return '';
  const size = (bytes: number | null) => (bytes === null ? 'absent' : formatBytes(bytes));
  const rows = moved.map(({ name, from, to }) => [
    `  ${name}`,
    size(from),
    '→',
    size(to),
    from === to ? 'content differs' : formatDelta((to ?? 0) - (from ?? 0)),
  ]);
  return `\nartifacts\n${formatTable(rows, [1, 3, 4])}`;
}

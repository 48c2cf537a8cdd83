import { gunzipSync } from 'node:zlib';
import type { Package } from '../debian/package.ts';
import { compareVersions } from '../debian/version.ts';
import type { BlobPath } from '../tree/content.ts';
import { openContents } from '../tree/content.ts';
import { indexTree, lookUp } from '../tree/lookup.ts';

/** One release of a source package in a Debian changelog (Policy 4.4). */
export interface ChangelogEntry {
  readonly source: string;
  readonly version: string;
  /** Without blank lines and the signature; indented as written. */
  readonly lines: readonly string[];
}

/**
 * The entries of a changelog, newest first. The list ends at the first text of another form: old changelogs
 * have such tails.
 */
export function parseChangelog(text: string): ChangelogEntry[] {
  const entries: { source: string; version: string; lines: string[] }[] = [];
  for (const line of text.split('\n')) {
    const [, source, version] = /^(\S+) \(([^()\s]+)\)(?: [^;]+)?;/.exec(line) ?? [];
    if (source !== undefined && version !== undefined) entries.push({ source, version, lines: [] });
    else if (/^ {2}\s*\S/.test(line)) entries.at(-1)?.lines.push(line.trimEnd());
    else if (line.trim() !== '' && !/^ -- /.test(line)) break;
  }
  return entries;
}

/**
 * The entries after version `from`, up to version `to`: versions of the source package. The suffix of a binary rebuild
 * (`+b1`) is no part of them.
 */
export function entriesBetween(
  entries: readonly ChangelogEntry[],
  from: string,
  to: string,
): ChangelogEntry[] {
  const [older, newer] = [from, to].map((version) => version.replace(/\+b\d+$/, '')) as [string, string];
  return entries.filter(
    ({ version }) => compareVersions(version, older) > 0 && compareVersions(version, newer) <= 0,
  );
}

/** Names of vulnerabilities in a text, each once, sorted. */
export function vulnerabilitiesIn(text: string): string[] {
  return [...new Set(text.match(/\bCVE-\d{4}-\d{4,7}\b/g) ?? [])].sort();
}

/** The changelog in a package (Policy 12.7); undefined if it has none, or if it is in another package. */
export async function changelogOf({ name, entries }: Package, blob: BlobPath): Promise<string | undefined> {
  const index = indexTree({ entries });
  for (const file of ['changelog.Debian.gz', 'changelog.gz']) {
    const found = lookUp(index, `usr/share/doc/${name}/${file}`)?.entry;
    if (found?.type !== 'file') continue;
    const contents = await openContents({ entries: [found] }, blob);
    try {
      return gunzipSync(contents.read(found.content)).toString('utf8');
    } finally {
      contents.close();
    }
  }
  return undefined;
}

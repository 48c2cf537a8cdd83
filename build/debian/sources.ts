import { Failure } from '../../sdk/lib/errors.ts';
import { byteOrder, canonicalJson, sha256 } from '../../sdk/lib/files.ts';

/** A source package: its .dsc and the files that it names. */
export interface SourceRecord {
  readonly name: string;
  readonly version: string;
  /** Of the archive: `pool/main/z/zfs-linux`. */
  readonly directory: string;
  /** Sorted by name. */
  readonly files: readonly { readonly name: string; readonly size: number; readonly sha256: string }[];
}

export interface SourceIndex {
  readonly lookup: (name: string) => readonly SourceRecord[];
  readonly names: () => Iterable<string>;
}

const HEADER = 'draisine-sources 1';

/** A field of a stanza with its continuation lines; undefined when it has none. */
function field(stanza: string, name: string): string | undefined {
  return new RegExp(`^${name}:(.*(?:\\n[ \\t].*)*)`, 'm').exec(stanza)?.[1]?.trim();
}

/** Makes the compact form of the text of a Sources file: a header with the digest of the rest, then a JSON line a package. */
export function compactSources(text: string, where: string): string {
  const lines: string[] = [];
  for (const stanza of text.split('\n\n')) {
    if (stanza.trim() === '') continue;
    if (field(stanza, 'Extra-Source-Only') === 'yes') continue;
    const [name, version, directory] = [
      field(stanza, 'Package'),
      field(stanza, 'Version'),
      field(stanza, 'Directory'),
    ];
    const sums = field(stanza, 'Checksums-Sha256');
    if (!name || !version || !directory || !sums) {
      throw new Failure('a source package without Package, Version, Directory or Checksums-Sha256', {
        where: `${where}, source package ${name ?? '?'}`,
      });
    }
    const files = sums
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .map(([digest, size, file]) => ({ name: file ?? '', size: Number(size), sha256: digest ?? '' }))
      .sort((a, b) => byteOrder(a.name, b.name));
    lines.push(`${name}\t${canonicalJson({ name, version, directory, files } satisfies SourceRecord)}\n`);
  }
  const body = lines.join('');
  return `${HEADER} ${sha256(body)}\n${body}`;
}

/** Opens the compact form; undefined when it is damaged or of another version. */
export function openSources(text: string): SourceIndex | undefined {
  const header = text.slice(0, text.indexOf('\n'));
  const body = text.slice(header.length + 1);
  if (header !== `${HEADER} ${sha256(body)}`) return undefined;
  const records = new Map<string, string[]>();
  for (const line of body.split('\n')) {
    const tab = line.indexOf('\t');
    if (tab < 0) continue;
    const name = line.slice(0, tab);
    records.set(name, [...(records.get(name) ?? []), line.slice(tab + 1)]);
  }
  return {
    lookup: (name) => (records.get(name) ?? []).map((json) => JSON.parse(json) as SourceRecord),
    names: () => records.keys(),
  };
}

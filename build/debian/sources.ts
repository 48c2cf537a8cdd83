import { Failure } from '../../sdk/lib/errors.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import { stanzasOf } from './packages-index.ts';

/** A source package: its .dsc and the files that it names. */
export interface SourceRecord {
  readonly name: string;
  readonly version: string;
  /** Folder in the archive: `pool/main/z/zfs-linux`. */
  readonly directory: string;
  /** Sorted by name. */
  readonly files: readonly { readonly name: string; readonly size: number; readonly sha256: string }[];
}

/** A Sources file, by name. */
export interface SourceIndex {
  readonly lookup: (name: string) => readonly SourceRecord[];
  readonly names: () => Iterable<string>;
}

/** A field of a stanza with its continuation lines; undefined if the stanza has no such field. */
function field(stanza: string, name: string): string | undefined {
  return new RegExp(`^${name}:(.*(?:\\n[ \\t].*)*)`, 'm').exec(stanza)?.[1]?.trim();
}

/** Reads the text of a Sources file. `where` names the file in errors. */
export function readSources(text: string, where: string): SourceIndex {
  const records = new Map<string, SourceRecord[]>();
  for (const stanza of stanzasOf(text)) {
    if (field(stanza, 'Extra-Source-Only') === 'yes') continue;
    const [name, version, directory, sums] = ['Package', 'Version', 'Directory', 'Checksums-Sha256'].map(
      (wanted) => field(stanza, wanted),
    );
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
    records.set(name, [...(records.get(name) ?? []), { name, version, directory, files }]);
  }
  return { lookup: (name) => records.get(name) ?? [], names: () => records.keys() };
}

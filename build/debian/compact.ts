import { Failure } from '../../sdk/lib/errors.ts';
import { byteOrder, sha256 } from '../../sdk/lib/files.ts';

/**
 * The compact form of a Packages index: only the fields that resolving and fetching want, one line a package,
 * columns joined by tabs, then the table of virtual names. A tenth of a second instead of two to load.
 *
 *     draisine-index VERSION SHA256-OF-THE-REST
 *     name \t version \t … (see COLUMNS)
 *     (empty line)
 *     virtual name \t provider \t provider …
 */
export const COMPACT_VERSION = 1;

/** One binary package of an index. Dependency fields are raw text (control.ts parses them when needed). */
export interface PackageRecord {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Bytes of the .deb. */
  readonly size: number;
  /** KiB once unpacked, as its maintainer estimated (Policy 5.6.20). */
  readonly installedSize: number;
  readonly sha256: string;
  /** Relative to the archive: `pool/…`. */
  readonly path: string;
  /** 1 required, 2 important, 3 standard, 4 optional, 5 extra. */
  readonly priority: number;
  readonly essential: boolean;
  /** `Protected: yes`, formerly `Important: yes`. */
  readonly protected: boolean;
  /** `Multi-Arch: allowed`: satisfies `name:any`. */
  readonly anyAllowed: boolean;
  /** When the index first mentions the name, as a stanza or in a relation: decides between equal providers. */
  readonly rank: number;
  readonly preDepends: string;
  readonly depends: string;
  readonly conflicts: string;
  readonly breaks: string;
  readonly provides: string;
}

export interface CompactIndex {
  /** The records of a package name, in the order of the index. */
  readonly lookup: (name: string) => readonly PackageRecord[];
  /** Names of the packages that provide a virtual name. */
  readonly providers: (virtual: string) => readonly string[];
  readonly names: () => Iterable<string>;
}

const PRIORITIES: Readonly<Record<string, number>> = {
  required: 1,
  important: 2,
  standard: 3,
  optional: 4,
  extra: 5,
};

/** Fields whose package names enter the ranking, in APT's order of reading them. */
const MENTIONS = [
  'Pre-Depends',
  'Depends',
  'Conflicts',
  'Breaks',
  'Recommends',
  'Suggests',
  'Replaces',
  'Enhances',
];
const WANTED = new Set([
  ...['Package', 'Version', 'Architecture', 'Size', 'Installed-Size', 'SHA256', 'Filename', 'Priority'],
  ...['Essential', 'Important', 'Protected', 'Multi-Arch', 'Provides', ...MENTIONS],
]);

/** The names in a relation field, without versions or qualifiers. */
function* mentioned(field: string): Generator<string> {
  for (const part of field.split(/[,|]/)) {
    const name = /^\s*([^\s:(]+)/.exec(part)?.[1];
    if (name !== undefined) yield name;
  }
}

/** The wanted fields of one stanza, continuation lines joined by a blank. */
function stanzaFields(stanza: string): Map<string, string> {
  const fields = new Map<string, string>();
  let last: string | undefined;
  for (const line of stanza.split('\n')) {
    if (line.charCodeAt(0) === 0x20) {
      if (last !== undefined) fields.set(last, `${fields.get(last)} ${line.trim()}`);
      continue;
    }
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    last = WANTED.has(name) ? name : undefined;
    if (last !== undefined) fields.set(last, line.slice(colon + 1).trim());
  }
  return fields;
}

/** Makes the compact form of the text of a Packages file. `where` names the file in errors. */
export function compact(text: string, where: string): string {
  const lines: string[] = [];
  const ranks = new Map<string, number>();
  const virtuals = new Map<string, Set<string>>();
  const mention = (name: string) => {
    if (!ranks.has(name)) ranks.set(name, ranks.size);
  };
  const stanzas: Map<string, string>[] = [];
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n\n', start);
    const stanza = text.slice(start, end < 0 ? text.length : end);
    start = end < 0 ? text.length : end + 2;
    if (stanza.trim() === '') continue;
    const fields = stanzaFields(stanza);
    const name = fields.get('Package');
    for (const needed of ['Package', 'Version', 'Architecture', 'Size', 'SHA256', 'Filename']) {
      if (!fields.get(needed))
        throw new Failure(`a package without ${needed}`, { where: `${where}, package ${name ?? '?'}` });
    }
    mention(name!);
    for (const field of MENTIONS) for (const other of mentioned(fields.get(field) ?? '')) mention(other);
    for (const virtual of mentioned(fields.get('Provides') ?? '')) {
      mention(virtual);
      const providers = virtuals.get(virtual) ?? new Set();
      virtuals.set(virtual, providers.add(name!));
    }
    stanzas.push(fields);
  }
  for (const fields of stanzas) {
    const get = (field: string) => fields.get(field) ?? '';
    const flags = [
      get('Essential') === 'yes' ? 'e' : '',
      get('Important') === 'yes' || get('Protected') === 'yes' ? 'p' : '',
      get('Multi-Arch') === 'allowed' ? 'a' : '',
    ].join('');
    const columns = [
      ...[get('Package'), get('Version'), get('Architecture'), get('Size'), get('Installed-Size') || '0'],
      ...[get('SHA256'), get('Filename'), PRIORITIES[get('Priority')] ?? 5, flags, ranks.get(get('Package'))],
      ...[get('Pre-Depends'), get('Depends'), get('Conflicts'), get('Breaks'), get('Provides')],
    ];
    lines.push(columns.join('\t'));
  }
  lines.push('');
  for (const [virtual, names] of [...virtuals].sort(([a], [b]) => byteOrder(a, b))) {
    lines.push([virtual, ...names].join('\t'));
  }
  const body = `${lines.join('\n')}\n`;
  return `draisine-index ${COMPACT_VERSION} ${sha256(body)}\n${body}`;
}

function parseRecord(line: string): PackageRecord {
  const column = line.split('\t');
  const flags = column[8]!;
  return {
    name: column[0]!,
    version: column[1]!,
    architecture: column[2]!,
    size: Number(column[3]),
    installedSize: Number(column[4]),
    sha256: column[5]!,
    path: column[6]!,
    priority: Number(column[7]),
    essential: flags.includes('e'),
    protected: flags.includes('p'),
    anyAllowed: flags.includes('a'),
    rank: Number(column[9]),
    preDepends: column[10]!,
    depends: column[11]!,
    conflicts: column[12]!,
    breaks: column[13]!,
    provides: column[14]!,
  };
}

/** Opens a compact index; undefined when it is damaged or of another version, so that the caller makes it anew. */
export function openCompact(text: string): CompactIndex | undefined {
  const header = text.slice(0, text.indexOf('\n'));
  const body = text.slice(header.length + 1);
  if (header !== `draisine-index ${COMPACT_VERSION} ${sha256(body)}`) return undefined;

  const offsets = new Map<string, number[]>();
  let position = 0;
  while (body.charCodeAt(position) !== 0x0a && position < body.length) {
    const name = body.slice(position, body.indexOf('\t', position));
    const known = offsets.get(name);
    if (known === undefined) offsets.set(name, [position]);
    else known.push(position);
    position = body.indexOf('\n', position) + 1;
  }
  const virtuals = new Map<string, number>();
  for (position++; position < body.length; position = body.indexOf('\n', position) + 1) {
    virtuals.set(body.slice(position, body.indexOf('\t', position)), position);
  }
  const lineAt = (offset: number) => body.slice(offset, body.indexOf('\n', offset));
  return {
    lookup: (name) => (offsets.get(name) ?? []).map((offset) => parseRecord(lineAt(offset))),
    providers: (virtual) => {
      const offset = virtuals.get(virtual);
      return offset === undefined ? [] : lineAt(offset).split('\t').slice(1);
    },
    names: () => offsets.keys(),
  };
}

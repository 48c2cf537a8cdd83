import { Failure } from '../../sdk/lib/errors.ts';

/** A binary package of an index. Dependency fields are raw text, which control.ts parses if it is needed. */
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
  /**
   * Position of the index's first mention of the name, in a stanza or a relation. It decides between equal providers.
   */
  readonly rank: number;
  readonly preDepends: string;
  readonly depends: string;
  readonly conflicts: string;
  readonly breaks: string;
  readonly provides: string;
}

/** A Packages file, by name. */
export interface PackageIndex {
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

/** The fields whose package names count for `rank`, in the order in which APT reads them. */
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

/** The wanted fields of a stanza. A blank joins continuation lines. */
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

/** Reads the text of a Packages file. `where` names the file in errors. */
export function readPackages(text: string, where: string): PackageIndex {
  const stanzas = stanzasOf(text).map((stanza) => stanzaFields(stanza));
  const ranks = new Map<string, number>();
  const providers = new Map<string, Set<string>>();
  const mention = (name: string) => {
    if (!ranks.has(name)) ranks.set(name, ranks.size);
  };
  for (const fields of stanzas) {
    const name = fields.get('Package') ?? '';
    for (const needed of ['Package', 'Version', 'Architecture', 'Size', 'SHA256', 'Filename']) {
      if (!fields.get(needed))
        throw new Failure(`a package without ${needed}`, { where: `${where}, package ${name || '?'}` });
    }
    mention(name);
    for (const field of MENTIONS) for (const other of mentioned(fields.get(field) ?? '')) mention(other);
    for (const virtual of mentioned(fields.get('Provides') ?? '')) {
      mention(virtual);
      providers.set(virtual, (providers.get(virtual) ?? new Set()).add(name));
    }
  }
  const records = new Map<string, PackageRecord[]>();
  for (const fields of stanzas) {
    const record = recordOf(fields, ranks);
    const known = records.get(record.name);
    if (known) known.push(record);
    else records.set(record.name, [record]);
  }
  return {
    lookup: (name) => records.get(name) ?? [],
    providers: (virtual) => [...(providers.get(virtual) ?? [])],
    names: () => records.keys(),
  };
}

/** Splits an index into its stanzas. An index has tens of thousands. */
export function stanzasOf(text: string): string[] {
  return text.split('\n\n').filter((stanza) => stanza.trim() !== '');
}

function recordOf(fields: ReadonlyMap<string, string>, ranks: ReadonlyMap<string, number>): PackageRecord {
  const get = (field: string) => fields.get(field) ?? '';
  return {
    name: get('Package'),
    version: get('Version'),
    architecture: get('Architecture'),
    size: Number(get('Size')),
    installedSize: Number(get('Installed-Size')),
    sha256: get('SHA256'),
    path: get('Filename'),
    priority: PRIORITIES[get('Priority')] ?? 5,
    essential: get('Essential') === 'yes',
    protected: get('Important') === 'yes' || get('Protected') === 'yes',
    anyAllowed: get('Multi-Arch') === 'allowed',
    rank: ranks.get(get('Package')) ?? 0,
    preDepends: get('Pre-Depends'),
    depends: get('Depends'),
    conflicts: get('Conflicts'),
    breaks: get('Breaks'),
    provides: get('Provides'),
  };
}

import { badInput } from '../../sdk/lib/errors.ts';
import { parseJson } from '../../sdk/lib/json.ts';
import type { ArchiveName } from './archives.ts';
import type {
  Lock,
  LockedIndex,
  LockedPackage,
  LockedSet,
  LockedSource,
  PinnedPackage,
} from './lock-types.ts';

/** Raised when a reader of the old format would misunderstand the new one. */
export const LOCK_FORMAT = 1;

/** Reads typed fields of JSON; every error names the JSON path. */
interface Reader {
  readonly value: unknown;
  readonly fail: (what: string) => Error;
  readonly at: (key: string | number) => Reader;
}

function reader(value: unknown, path: string, fail: (what: string) => Error): Reader {
  const child = (key: string | number) => (typeof key === 'number' ? `${path}[${key}]` : `${path}.${key}`);
  const get = (key: string | number) => (value as Record<string | number, unknown> | null)?.[key];
  return {
    value,
    fail: (what) => fail(`${path}: ${what}`),
    at: (key) => reader(get(key), child(key), fail),
  };
}

function text(node: Reader, shape = /./): string {
  if (typeof node.value === 'string' && shape.test(node.value)) return node.value;
  throw node.fail(`expected a text like ${shape.source}, found ${JSON.stringify(node.value)}`);
}

function count(node: Reader): number {
  if (Number.isSafeInteger(node.value) && (node.value as number) >= 0) return node.value as number;
  throw node.fail(`expected a whole number, found ${JSON.stringify(node.value)}`);
}

function list<T>(node: Reader, read: (item: Reader) => T): T[] {
  if (!Array.isArray(node.value)) throw node.fail('expected a list');
  return node.value.map((_, index) => read(node.at(index)));
}

function entries<T>(node: Reader, read: (item: Reader) => T): [string, T][] {
  if (typeof node.value !== 'object' || node.value === null || Array.isArray(node.value))
    throw node.fail('expected an object');
  return Object.keys(node.value).map((key) => [key, read(node.at(key))]);
}

function record<T>(node: Reader, read: (item: Reader) => T): Readonly<Record<string, T>> {
  return Object.fromEntries(entries(node, read));
}

function optional<T>(node: Reader, read: (item: Reader) => T): T | undefined {
  return node.value === undefined ? undefined : read(node);
}

const SHA256 = /^[0-9a-f]{64}$/;
const NAME = /^[a-z0-9][a-z0-9+.-]*$/;
/** Below the archive's pool, and nowhere else. */
const POOL_PATH = /^pool\/(?!.*(?:^|\/)\.\.?(?:\/|$))[A-Za-z0-9+._~%:/-]+$/;
const INDEX = /^(debian|debian-security)\/([a-z0-9-]+)\/([a-z0-9-]+)$/;
const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

const digest = (node: Reader) => text(node, SHA256);
function date(node: Reader): string {
  const value = text(node, DATE);
  const time = Date.parse(value); // February 30 is March 2 to some engines, no date to others
  if (!Number.isNaN(time) && new Date(time).toISOString() === value.replace('Z', '.000Z')) return value;
  throw node.fail(`there is no such date: ${value}`);
}

const archive = (node: Reader) => text(node, /^(debian|debian-security)$/) as ArchiveName;

function place(node: Reader): Pick<PinnedPackage, 'archive' | 'suite' | 'component'> {
  const [, archiveName, suite, component] = INDEX.exec(text(node, INDEX))!;
  return { archive: archiveName as ArchiveName, suite: suite!, component: component! };
}

function readIndex(node: Reader): LockedIndex {
  const validUntil = optional(node.at('validUntil'), date);
  const sources = optional(node.at('sources'), (item) => record(item, digest));
  return {
    archive: archive(node.at('archive')),
    suite: text(node.at('suite')),
    date: date(node.at('date')),
    inRelease: digest(node.at('inRelease')),
    packages: record(node.at('packages'), digest),
    ...(validUntil === undefined ? {} : { validUntil }),
    ...(sources === undefined ? {} : { sources }),
  };
}

function readPin(node: Reader): PinnedPackage {
  return {
    name: text(node.at('name'), NAME),
    version: text(node.at('version')),
    architecture: text(node.at('architecture'), /^(all|[a-z0-9-]+)$/),
    size: count(node.at('size')),
    installedSize: count(node.at('installedSize')),
    sha256: digest(node.at('sha256')),
    path: text(node.at('path'), POOL_PATH),
    ...place(node.at('index')),
  };
}

function readSet(node: Reader, pins: ReadonlyMap<string, readonly PinnedPackage[]>): LockedSet {
  const packages = list(node.at('packages'), (item): LockedPackage => {
    const name = text(item.at('name'), NAME);
    const version = optional(item.at('version'), (value) => text(value));
    const found = (pins.get(name) ?? []).filter((pin) => version === undefined || pin.version === version);
    if (found.length !== 1)
      throw item.fail(`"packages" has ${found.length} entries for ${name} ${version ?? ''}`.trimEnd());
    return {
      ...found[0]!,
      root: item.at('root').value === true,
      needs: optional(item.at('needs'), (value) => record(value, text)) ?? {},
      dropped: optional(item.at('dropped'), (value) => record(value, text)) ?? {},
    };
  });
  const names = new Set(packages.map(({ name }) => name));
  for (const { name, needs } of packages) {
    for (const need of Object.keys(needs)) {
      if (!names.has(need)) throw node.fail(`${name} needs ${need}, which the set does not have`);
    }
  }
  return { definition: digest(node.at('definition')), packages };
}

function readSource(node: Reader): LockedSource {
  return {
    name: text(node.at('name'), NAME),
    version: text(node.at('version')),
    directory: text(node.at('directory'), POOL_PATH),
    files: list(node.at('files'), (file) => ({
      name: text(file.at('name'), /^[A-Za-z0-9+._~%:-]+$/),
      size: count(file.at('size')),
      sha256: digest(file.at('sha256')),
    })),
    ...place(node.at('index')),
  };
}

/** Parses the text of a lock. Throws badInput with `where` and the line or JSON path. */
export function parseLock(source: string, where: string, hint: string): Lock {
  const value = parseJson(source, 'the lock', where, hint);
  const root = reader(value, '$', (what) => badInput(`the lock is damaged: ${what}`, { where, hint }));
  if (root.at('format').value !== LOCK_FORMAT) {
    throw root
      .at('format')
      .fail(
        `this version of Draisine reads format ${LOCK_FORMAT}, not ${JSON.stringify(root.at('format').value)}`,
      );
  }
  const indexes = list(root.at('indexes'), readIndex);
  if (indexes.length === 0) throw root.at('indexes').fail('there is no index');
  const pins = new Map<string, PinnedPackage[]>();
  for (const pin of list(root.at('packages'), readPin))
    pins.set(pin.name, [...(pins.get(pin.name) ?? []), pin]);
  return {
    indexes,
    sets: new Map(entries(root.at('sets'), (node) => readSet(node, pins))),
    sources: list(root.at('sources'), readSource),
  };
}

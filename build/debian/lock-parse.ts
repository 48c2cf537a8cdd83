import { checked } from '../../sdk/lib/checked.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { parseJson } from '../../sdk/lib/json.ts';
import type { ArchiveName } from './archives.ts';
import { type LockFile, type LockMember, type LockSet, validate } from './lock.schema.ts';
import type { Lock, LockedPackage, LockedSet, PinnedPackage } from './lock-types.ts';

/** Increase this number if a reader of the old format would misunderstand the new one. */
export const LOCK_FORMAT = 1;

/** Splits `ARCHIVE/SUITE/COMPONENT`. */
function placed<T extends { index: string }>({
  index,
  ...rest
}: T): Omit<T, 'index'> & Pick<PinnedPackage, 'archive' | 'suite' | 'component'> {
  const [archive, suite, component] = index.split('/') as [ArchiveName, string, string];
  return { ...rest, archive, suite, component };
}

/** Parses the text of a lock. Throws badInput with `where` and the line or JSON path. */
export function parseLock(source: string, where: string, hint: string): Lock {
  const value = parseJson(source, 'the lock', where, hint);
  const wrong = (place: string, what: string) =>
    badInput(`the lock is damaged: ${place}: ${what}`, { where, hint });
  const { format } = (value ?? {}) as { format?: unknown };
  if (format !== LOCK_FORMAT) {
    throw wrong(
      '$.format',
      `this version of Draisine reads format ${LOCK_FORMAT}, not ${JSON.stringify(format)}`,
    );
  }
  const file = checked<LockFile>(validate, value, wrong);
  if (file.indexes.length === 0) throw wrong('$.indexes', 'there is no index');
  for (const [index, { date, validUntil = date }] of file.indexes.entries()) {
    for (const [field, time] of Object.entries({ date, validUntil }))
      if (!isTime(time)) throw wrong(`$.indexes[${index}].${field}`, `there is no such date: ${time}`);
  }
  const pins = new Map<string, PinnedPackage[]>();
  for (const pin of file.packages) pins.set(pin.name, [...(pins.get(pin.name) ?? []), placed(pin)]);
  const sets = Object.entries(file.sets).map(([name, set]): [string, LockedSet] => [
    name,
    lockedSet(set, pins, (at, what) => wrong(`$.sets.${name}${at}`, what)),
  ]);
  return { indexes: file.indexes, sets: new Map(sets), sources: file.sources.map(placed) };
}

/** Some JavaScript engines read February 30 as March 2, others refuse it. */
function isTime(text: string): boolean {
  const time = Date.parse(text);
  return !Number.isNaN(time) && new Date(time).toISOString() === text.replace('Z', '.000Z');
}

function lockedSet(
  { definition, packages }: LockSet,
  pins: ReadonlyMap<string, readonly PinnedPackage[]>,
  wrong: (at: string, what: string) => Error,
): LockedSet {
  const pinOf = ({ name, version }: LockMember, index: number): PinnedPackage => {
    const found = (pins.get(name) ?? []).filter((pin) => version === undefined || pin.version === version);
    if (found.length === 1 && found[0]) return found[0];
    const what = `"packages" has ${found.length} entries for ${name} ${version ?? ''}`;
    throw wrong(`.packages[${index}]`, what.trimEnd());
  };
  const locked = packages.map((member, index): LockedPackage => {
    const { root = false, needs = {}, dropped = {} } = member;
    return { ...pinOf(member, index), root, needs, dropped };
  });
  const names = new Set(packages.map(({ name }) => name));
  for (const { name, needs } of locked) {
    for (const need of Object.keys(needs))
      if (!names.has(need)) throw wrong('', `${name} needs ${need}, which the set does not have`);
  }
  return { definition, packages: locked };
}

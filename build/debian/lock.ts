import { readFile } from 'node:fs/promises';
import { badInput, errorCode } from '../../sdk/lib/errors.ts';
import { byteOrder, canonicalJson, type Sha256, sha256 } from '../../sdk/lib/files.ts';
import { LOCK_FORMAT, parseLock } from './lock-parse.ts';
import type { Lock, LockedPackage, LockedSource, PinnedPackage } from './lock-types.ts';
import type { PackageSet } from './set.ts';

export type * from './lock-types.ts';

const UPDATE_HINT = './draisine lock --update makes a new one (git has the old one)';

/**
 * The digest of the parts of a set's definition that decide about its closure, so without reasons. Order does not
 * count.
 */
export function definitionDigest(set: PackageSet): Sha256 {
  const sorted = (list: readonly string[] = []) => [...new Set(list)].sort(byteOrder);
  return sha256(
    canonicalJson({
      include: sorted(set.include),
      drop: sorted(set.drop?.map((entry) => entry.package)),
      replace: sorted(set.replace?.map((entry) => `${entry.package}=${entry.with}`)),
      closure: set.closure ?? 'depends',
      sources: sorted(set.sources),
    }),
  );
}

/** Reads a lock. Throws badInput, with the line or the JSON path, for any other file. */
export async function readLock(path: string): Promise<Lock> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    if (errorCode(cause) !== 'ENOENT') throw cause;
    throw badInput('there is no lock', { where: path, hint: './draisine lock --update makes it', cause });
  });
  return parseLock(text, path, UPDATE_HINT);
}

/** The packages of one set. Throws badInput if the lock does not have the set. */
export function lockedSet(lock: Lock, name: string): readonly LockedPackage[] {
  const set = lock.sets.get(name);
  if (set !== undefined) return set.packages;
  throw badInput(`the lock has no package set ${name}`, {
    where: `sets in the lock: ${[...lock.sets.keys()].join(', ')}`,
    hint: './draisine lock --update',
  });
}

/** The date of the newest signed index: SOURCE_DATE_EPOCH, in seconds. */
export function lockDate(lock: Lock): number {
  return Math.max(...lock.indexes.map(({ date }) => Date.parse(date) / 1000));
}

function pinOf({
  name,
  version,
  architecture,
  size,
  installedSize,
  sha256: digest,
  path,
  ...place
}: PinnedPackage): object {
  const index = `${place.archive}/${place.suite}/${place.component}`;
  return { name, version, architecture, size, installedSize, sha256: digest, path, index };
}

function sourceOf({ name, version, directory, files, ...place }: LockedSource): object {
  return { name, version, directory, files, index: `${place.archive}/${place.suite}/${place.component}` };
}

/**
 * The text of a lock: canonical JSON with one line for each package, so that a diff reads like a list of changes. A
 * package is in `packages` once, even if several sets have it. A set's line names the version only if the lock has
 * several versions of the package.
 */
export function formatLock(lock: Lock): string {
  const pins = new Map<string, PinnedPackage>();
  const versions = new Map<string, Set<string>>();
  for (const { packages } of lock.sets.values()) {
    for (const pinned of packages) {
      pins.set(`${pinned.name} ${pinned.version}`, pinned);
      versions.set(pinned.name, (versions.get(pinned.name) ?? new Set()).add(pinned.version));
    }
  }
  const lines = (items: readonly object[], indent: string) =>
    items.length === 0
      ? '[]'
      : `[\n${items.map((item) => `${indent}  ${canonicalJson(item)}`).join(',\n')}\n${indent}]`;
  const setPackage = ({ name, version, root, needs, dropped }: LockedPackage) => ({
    name,
    ...(versions.get(name)!.size > 1 ? { version } : {}),
    ...(root ? { root } : {}),
    ...(Object.keys(needs).length > 0 ? { needs } : {}),
    ...(Object.keys(dropped).length > 0 ? { dropped } : {}),
  });
  const sets = [...lock.sets]
    .sort(([a], [b]) => byteOrder(a, b))
    .map(([name, { definition, packages }]) => {
      const list = lines(packages.map(setPackage), '      ');
      return `    ${JSON.stringify(name)}: {\n      "definition": "${definition}",\n      "packages": ${list}\n    }`;
    });
  const sortedPins = [...pins].sort(([a], [b]) => byteOrder(a, b)).map(([, pinned]) => pinOf(pinned));
  return [
    '{',
    `  "format": ${LOCK_FORMAT},`,
    `  "indexes": ${lines(lock.indexes, '  ')},`,
    `  "packages": ${lines(sortedPins, '  ')},`,
    `  "sets": {\n${sets.join(',\n')}\n  },`,
    `  "sources": ${lines(lock.sources.map(sourceOf), '  ')}`,
    '}',
    '',
  ].join('\n');
}

/**
 * The text of a new lock, as `formatLock` writes it.
 * @throws badInput if it could not be read again, because an index of the archive has a field that no lock can have
 */
export function newLockText(lock: Lock): string {
  const text = formatLock(lock);
  parseLock(
    text,
    'the new lock',
    'an index of the archive says so, and nothing was written: try another mirror',
  );
  return text;
}

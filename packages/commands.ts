import { readFile } from 'node:fs/promises';
import { imageNames, readImage } from '../build/cli/images.ts';
import { nearNames } from '../build/cli/near.ts';
import { suites } from '../build/debian/archives.ts';
import { checkAgainst } from '../build/debian/check.ts';
import { compareLocks, type LockDiff } from '../build/debian/diff.ts';
import { openSuite } from '../build/debian/index.ts';
import { formatLock, type Lock, lockedSet, readLock } from '../build/debian/lock.ts';
import { mirrorBases } from '../build/debian/mirror.ts';
import { resolve } from '../build/debian/resolve.ts';
import { makeUniverse } from '../build/debian/universe.ts';
import { updateLock } from '../build/debian/update.ts';
import { whyPackage } from '../build/debian/why.ts';
import { badInput, errorCode, Failure } from '../sdk/lib/errors.ts';
import { writeAtomic } from '../sdk/lib/files.ts';
import { log, warn } from '../sdk/lib/log.ts';
import { lockPath } from './lock-path.ts';
import { sets } from './sets/index.ts';
import { whyPath } from './why-path.ts';

export interface LockRequest {
  readonly only: readonly string[] | undefined;
  readonly mirrors: readonly string[];
  readonly json: boolean;
  readonly diff: boolean;
}

function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

function printJson(value: unknown): void {
  print(JSON.stringify(value, undefined, 2));
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}

/**
 * The lock as it is, or undefined where there is none yet, or where a damaged one is replaced: making it anew must not
 * need what it is to fix.
 */
async function existingLock(replaced: boolean): Promise<Lock | undefined> {
  const there = await readFile(lockPath).then(
    () => true,
    (error: unknown) => {
      if (errorCode(error) === 'ENOENT') return false;
      throw error;
    },
  );
  if (!there) return undefined;
  try {
    return await readLock(lockPath);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { message, where = lockPath, exitCode } = error;
    if (!replaced) {
      const hint = 'restore it: git checkout packages/lock.json; or make it anew: ./draisine lock --update';
      throw new Failure(message, { where, hint, exitCode, cause: error });
    }
    warn(`${message} (${where}); going on without it, and without a look at how old the indexes may be`);
    return undefined;
  }
}

async function resolveAll({ only, mirrors }: LockRequest, replaced: boolean) {
  const old = await existingLock(replaced);
  const bases = () => mirrorBases({ flags: mirrors });
  const updated = await updateLock(sets, {
    old,
    bases,
    freshness: 'newest',
    now: now(),
    ...(only ? { only } : {}),
  });
  for (const warning of updated.warnings) warn(warning);
  return { old, lock: updated.lock, warnings: updated.warnings };
}

/** `lock --update`: resolves and writes. */
export async function updateCommand(request: LockRequest): Promise<void> {
  const { old, lock, warnings } = await resolveAll(request, request.only === undefined);
  await writeAtomic(lockPath, formatLock(lock));
  const diff = compareLocks(old, lock);
  const summary = [...lock.sets].map(([name, { packages }]) => ({ name, packages: packages.length }));
  if (request.json) {
    printJson({ lock: lockPath, sets: summary, warnings, ...(request.diff ? { changes: diff } : {}) });
    return;
  }
  if (request.diff) printDiff(diff);
  for (const { name, packages } of summary) log(`${name}: ${packages} packages`);
  log(`${lockPath}: written`);
}

/** `lock --diff`: resolves, writes nothing. */
export async function diffLock(request: LockRequest): Promise<void> {
  const { old, lock } = await resolveAll(request, false);
  const diff = compareLocks(old, lock);
  if (request.json) printJson({ changes: diff });
  else printDiff(diff);
}

function printDiff(diff: LockDiff): void {
  const lines = diff.flatMap(({ set, added, removed, changed }) => [
    `${set}:`,
    ...added.map(({ name, version }) => `  + ${name} ${version}`),
    ...removed.map(({ name, version }) => `  - ${name} ${version}`),
    ...changed.map(({ name, from, to }) => `  ~ ${name} ${from} → ${to}`),
  ]);
  print(lines.length === 0 ? 'no package changes' : lines.join('\n'));
}

/** `lock --check`: offline. Exit 1 with every problem when the lock is not what the sets ask for. */
export async function checkLock({ json }: { json: boolean }): Promise<void> {
  const lock = await readLock(lockPath);
  const problems = checkAgainst(lock, sets, await readFile(lockPath, 'utf8'));
  if (json) printJson({ ok: problems.length === 0, problems });
  if (problems.length > 0) {
    throw new Failure(problems.join('\n       '), { where: lockPath, hint: './draisine lock --update' });
  }
  if (!json) log(`${lockPath}: ${lock.sets.size} package sets, up to date`);
}

/** `resolve`: the closure of some packages out of trixie and trixie-security, without any set's drops. */
export async function printResolve(
  names: readonly string[],
  { mirrors, json }: { mirrors: readonly string[]; json: boolean },
): Promise<void> {
  const asked = new Set(names.map((name) => name.split('/')[1]));
  const indexes = [];
  for (const suite of suites.filter(({ suite: name, onRequest }) => !onRequest || asked.has(name))) {
    const bases = () => mirrorBases({ flags: mirrors });
    indexes.push(...(await openSuite(suite, { bases, freshness: 'cached', now: now() })).indexes);
  }
  const { packages } = resolve(
    makeUniverse(indexes),
    { name: 'of the command line', include: names },
    'given',
  );
  const rows = packages.map(({ record: { name, version, architecture, size, installedSize } }) => ({
    ...{ name, version, architecture, size, installedSize },
  }));
  if (json) {
    printJson({ packages: rows });
    return;
  }
  for (const { name, version, architecture } of rows) print(`${name} ${version} ${architecture}`);
  const total = (field: 'size' | 'installedSize') => rows.reduce((sum, row) => sum + row[field], 0);
  log(
    `${rows.length} packages, ${(total('size') / 1e6).toFixed(1)} MB to fetch, ${(total('installedSize') / 1024).toFixed(0)} MiB installed`,
  );
}

/** `why IMAGE PACKAGE`: the chains from the roots, out of the lock alone. */
export async function printWhy(image: string, what: string, { json }: { json: boolean }): Promise<void> {
  const lock = await readLock(lockPath);
  const images = imageNames();
  // An image may be named otherwise than its set.
  const setName = images.includes(image) ? (await readImage(image)).set : image;
  const set = sets.find(({ name }) => name === setName);
  if (set === undefined && !lock.sets.has(setName)) {
    throw badInput(`there is no image or package set ${JSON.stringify(image)}`, {
      hint: nearNames(image, [...images, ...sets.map(({ name }) => name)]),
    });
  }
  const why = whyPackage(image, lockedSet(lock, setName), what, set);
  if (json) printJson(why);
  else print(why.lines.join('\n'));
}

/** `why IMAGE PATH`: which package, overlay or fix-up brought a file, or which trim took it. */
export async function printWhyPath(image: string, path: string, { json }: { json: boolean }): Promise<void> {
  const why = await whyPath(image, path);
  if (json) printJson(why);
  else print(why.lines.join('\n'));
}

import { readFile } from 'node:fs/promises';
import { Failure, ifThere } from '../../sdk/lib/errors.ts';
import { writeAtomic } from '../../sdk/lib/files.ts';
import { log, warn } from '../../sdk/lib/log.ts';
import { suites } from '../debian/archives.ts';
import { checkAgainst } from '../debian/check.ts';
import { compareLocks, type LockDiff } from '../debian/diff.ts';
import { openSuite } from '../debian/index.ts';
import { type Lock, newLockText, readLock } from '../debian/lock.ts';
import { LOCK, LOCK_PATH, shownLock } from '../debian/lock-path.ts';
import { mirrorBases } from '../debian/mirror.ts';
import { resolve } from '../debian/resolve.ts';
import type { PackageSet } from '../debian/set.ts';
import { makeUniverse } from '../debian/universe.ts';
import { updateLock } from '../debian/update.ts';
import { print, printJson } from './print.ts';

/** The options of `lock`. */
export interface LockRequest {
  /** Every set that the lock pins. */
  readonly sets: readonly PackageSet[];
  /** Packages that may change; undefined: all. */
  readonly only: readonly string[] | undefined;
  /** Only packages with a later version in the security archive may change. */
  readonly securityOnly: boolean;
  /** Sets that stay unchanged; undefined: none. */
  readonly keep: readonly string[] | undefined;
  readonly mirrors: readonly string[];
  readonly json: boolean;
  readonly diff: boolean;
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}

/**
 * The present lock. Undefined if there is none, or if it is damaged and will be replaced: `lock --update`
 * must not need the file that it repairs.
 */
async function existingLock(replaced: boolean): Promise<Lock | undefined> {
  const there = (await ifThere(readFile(LOCK_PATH))) !== undefined;
  if (!there) return undefined;
  try {
    return await readLock(shownLock());
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { message, where = shownLock(), exitCode } = error;
    if (!replaced) {
      const hint = `restore it: git checkout ${LOCK}; or make a new one: ./draisine lock --update`;
      throw new Failure(message, { where, hint, exitCode, cause: error });
    }
    warn(`${message} (${where}); going on without it, so older indexes are accepted as well`);
    return undefined;
  }
}

async function resolveAll({ sets, only, securityOnly, keep, mirrors }: LockRequest, replaced: boolean) {
  const old = await existingLock(replaced);
  const bases = () => mirrorBases({ flags: mirrors });
  const updated = await updateLock(sets, {
    old,
    bases,
    freshness: 'newest',
    now: now(),
    securityOnly,
    ...(only ? { only } : {}),
    ...(keep ? { keep } : {}),
  });
  for (const warning of updated.warnings) warn(warning);
  return { old, lock: updated.lock, warnings: updated.warnings };
}

const MOVES_ALL =
  'this also updates the tools of builds and the source of the kernel, so the next build compiles the kernel (about 20 minutes); only images: ./draisine lock --update --images';

/** `lock --update` resolves and writes the lock. */
export async function updateCommand(request: LockRequest): Promise<void> {
  if (!request.only && !request.securityOnly && !request.keep) warn(MOVES_ALL);
  const { old, lock, warnings } = await resolveAll(
    request,
    request.only === undefined && !request.securityOnly && !request.keep,
  );
  await writeAtomic(LOCK_PATH, newLockText(lock));
  const diff = compareLocks(old, lock);
  const summary = [...lock.sets].map(([name, { packages }]) => ({ name, packages: packages.length }));
  if (request.json) {
    printJson({ lock: shownLock(), sets: summary, warnings, ...(request.diff ? { changes: diff } : {}) });
    return;
  }
  if (request.diff) printDiff(diff);
  for (const { name, packages } of summary) log(`${name}: ${packages} packages`);
  log(`${shownLock()}: written`);
}

/** `lock --diff` resolves and writes nothing. */
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

/** `lock --check` needs no network. Exit code 1, with every problem, if the lock does not match the sets. */
export async function checkLock({ sets, json }: Pick<LockRequest, 'sets' | 'json'>): Promise<void> {
  const lock = await readLock(shownLock());
  const problems = checkAgainst(lock, sets, await readFile(LOCK_PATH, 'utf8'));
  if (json) printJson({ ok: problems.length === 0, problems });
  if (problems.length > 0) {
    throw new Failure(problems.join('\n       '), { where: shownLock(), hint: './draisine lock --update' });
  }
  if (!json) log(`${shownLock()}: ${lock.sets.size} package sets, up to date`);
}

/**
 * `resolve`: the dependency closure of some packages in trixie and trixie-security, without the drops of any
 * set.
 */
export async function printResolve(
  names: readonly string[],
  { mirrors, json }: { mirrors: readonly string[]; json: boolean },
): Promise<void> {
  if (mirrors.length > 0) await mirrorBases({ flags: mirrors }); // also if the cache has all indexes
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

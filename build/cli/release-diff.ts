import { badInput } from '../../sdk/lib/errors.ts';
import { warn } from '../../sdk/lib/log.ts';
import { writeOutput } from '../../sdk/lib/output.ts';
import { type Lock, readLock } from '../debian/lock.ts';
import { LOCK_PATH } from '../debian/lock-path.ts';
import { readPackage } from '../debian/package.ts';
import { blobPath } from '../graph/blobs.ts';
import { holdStore } from '../graph/hold.ts';
import { buildTargets } from '../graph/run.ts';
import { openStore } from '../graph/store.ts';
import { lockedPackages } from '../image/packages.ts';
import { imageNames, readImage } from '../product/images.ts';
import { changelogOf } from '../release/changelog.ts';
import { readNoted } from '../release/documents.ts';
import {
  formatNotes,
  makeNotes,
  type NotedRelease,
  type PackageChange,
  packageChanges,
  withEntries,
} from '../release/notes.ts';
import { placeOf } from '../release/place.ts';
import { readRelease } from '../release/verify.ts';

/** The options of `release diff`. */
export interface DiffFlags {
  readonly output?: string;
  readonly json?: boolean;
}

async function readAt(where: string): Promise<NotedRelease> {
  return await readNoted(await readRelease(placeOf(where)));
}

/** The set of the lock that pins this version of a package; undefined if there is none. */
function setWith(lock: Lock, name: string, version: string): string | undefined {
  for (const [set, { packages }] of lock.sets)
    if (packages.some((each) => each.name === name && each.version === version)) return set;
  return undefined;
}

/** A change, and where the lock may have the package with its changelog. */
interface Told {
  readonly change: PackageChange;
  readonly set: string | undefined;
  readonly package: string;
}

/** The changes of packages. */
function shippedChanges(from: NotedRelease, to: NotedRelease, lock: Lock): Told[] {
  return packageChanges(from.manifest, to.manifest).map((change) => {
    const both = change.from !== undefined && change.to !== undefined;
    return { change, set: both ? setWith(lock, change.name, change.to) : undefined, package: change.name };
  });
}

/** The changes of the parts that recipes build from a package with a source, e.g. of the kernel. */
async function builtChanges(from: NotedRelease, to: NotedRelease, lock: Lock): Promise<Told[]> {
  const { image } = to.release;
  if (!imageNames().includes(image)) return [];
  const { kernel } = await readImage(image);
  return kernel.built.flatMap(({ name, set, package: origin }) => {
    const [before, after] = [from, to].map(({ sources }) => sources.get(name)?.version);
    if (before === undefined || after === undefined || before === after) return [];
    const pinned = lock.sets.get(set)?.packages.find((each) => each.name === origin);
    const change = { name, from: before, to: after };
    return [{ change, set: pinned?.version === after ? set : undefined, package: origin }];
  });
}

/** The changelog of each changed package that has one, and whose new version the lock pins. */
async function changelogsOf(changes: readonly Told[], lock: Lock): Promise<Map<string, string>> {
  const packages = lockedPackages(lock);
  const targets = changes.flatMap(({ change, set, package: origin }) =>
    set === undefined ? [] : [{ name: change.name, target: packages.package(set, origin) }],
  );
  await holdStore();
  const store = openStore();
  const outputs = await buildTargets(targets.map(({ target }) => target));
  const found = new Map<string, string>();
  for (const { name, target } of targets) {
    const path = outputs.get(target.name)?.path;
    const text = path && (await changelogOf(await readPackage(path), (digest) => blobPath(store, digest)));
    if (text) found.set(name, text);
  }
  return found;
}

/** Otherwise notes without changelogs would look like those of a release that repairs nothing. */
function warnOfUnknown(told: readonly Told[]): void {
  const lost = told.flatMap(({ change: { name, from, to }, set }) =>
    from !== undefined && to !== undefined && set === undefined ? [`${name} ${to}`] : [],
  );
  if (lost.length > 0)
    warn(
      `the notes lack the changelogs and CVE numbers of ${lost.length} packages, because the lock of this checkout does not pin them: ${lost.slice(0, 10).join(', ')}${lost.length > 10 ? ' …' : ''}; check out the commit of the newer release`,
    );
}

/** `release diff A B` prints release notes. */
export async function releaseDiff(a: string, b: string, { output, json }: DiffFlags): Promise<void> {
  const [from, to] = [await readAt(a), await readAt(b)];
  if (from.release.image !== to.release.image)
    throw badInput(`${from.release.image} and ${to.release.image} are different images`, {
      where: `${a} and ${b}`,
      hint: 'compare two versions of one image',
    });
  const lock = await readLock(LOCK_PATH);
  const told = [...(await builtChanges(from, to, lock)), ...shippedChanges(from, to, lock)];
  warnOfUnknown(told);
  const changes = told.map(({ change }) => change);
  const notes = makeNotes(from, to, withEntries(changes, from, to, await changelogsOf(told, lock)));
  const text = json ? `${JSON.stringify(notes, null, 2)}\n` : formatNotes(notes);
  if (output === undefined) process.stdout.write(text);
  else await writeOutput(output, text);
}

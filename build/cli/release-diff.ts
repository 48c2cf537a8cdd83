import { join } from 'node:path';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { writeOutput } from '../../sdk/lib/output.ts';
import { type Lock, readLock } from '../debian/lock.ts';
import { readPackage } from '../debian/package.ts';
import { blobPath } from '../graph/blobs.ts';
import { holdStore } from '../graph/hold.ts';
import { buildTargets } from '../graph/run.ts';
import { openStore } from '../graph/store.ts';
import { lockedPackages } from '../image/packages.ts';
import { changelogOf } from '../release/changelog.ts';
import { readNoted } from '../release/documents.ts';
import {
  type Change,
  formatNotes,
  makeNotes,
  type NotedRelease,
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

/** The changelog of each changed package that has one, and whose new version the lock pins. */
async function changelogsOf(changes: readonly Change[]): Promise<Map<string, string>> {
  const lock = await readLock(join(CHECKOUT, 'packages/lock.json'));
  const packages = lockedPackages(lock);
  const targets = changes.flatMap(({ name, from, to }) => {
    const set = from === undefined || to === undefined ? undefined : setWith(lock, name, to);
    return set === undefined ? [] : [{ name, target: packages.package(set, name) }];
  });
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

/** `release diff A B` prints release notes. */
export async function releaseDiff(a: string, b: string, { output, json }: DiffFlags): Promise<void> {
  const [from, to] = [await readAt(a), await readAt(b)];
  if (from.release.image !== to.release.image)
    throw badInput(`${from.release.image} and ${to.release.image} are different images`, {
      where: `${a} and ${b}`,
      hint: 'compare two versions of one image',
    });
  const changes = packageChanges(from.manifest, to.manifest);
  const notes = makeNotes(from, to, withEntries(changes, from, to, await changelogsOf(changes)));
  const text = json ? `${JSON.stringify(notes, null, 2)}\n` : formatNotes(notes);
  if (output === undefined) process.stdout.write(text);
  else await writeOutput(output, text);
}

import { badInput, Failure } from '../../sdk/lib/errors.ts';
import type { Release, ReleaseFile, Root } from './format/types.ts';
import type { Place } from './place.ts';
import { readText } from './place.ts';
import { replacedRootOf } from './signing.ts';
import { checkSigned, isSigned, type Opened, openEnvelope } from './trust/envelope.ts';

/** A release in a place. Its signatures are checked only if there is a root to check them with. */
export interface LocatedRelease extends Opened<'release'> {
  readonly place: Place;
  /** The bytes of release.json. */
  readonly text: string;
}

/** Reads release.json of a place. `checkReleaseTrust` checks its signatures. */
export async function readRelease(place: Place): Promise<LocatedRelease> {
  const text = await readText(
    place,
    'release.json',
    'name a folder or the URL of a folder that ./draisine release build made',
  );
  return { place, text, ...(await openEnvelope('release', text, place.at('release.json'))) };
}

/**
 * Checks that enough release keys of `root` have signed, and that the root is new enough for the release. `keys`: the
 * folder of the signing keys and their earlier roots; with it, the error names a rotation as the cause.
 * @throws if not
 */
export async function checkReleaseTrust(release: LocatedRelease, root: Root, keys?: string): Promise<void> {
  const { value, where, place } = release;
  if ((value.root ?? 1) > root.number)
    throw badInput(`the release needs root ${value.root} or a later one, this is root ${root.number}`, {
      where,
      hint: 'take the newer root.json: --root FILE',
    });
  if (keys !== undefined && !(await isSigned(release, 'release', root))) {
    const older = await replacedRootOf(keys, root, release, 'release');
    if (older !== undefined)
      throw badInput(
        `keys of root ${older} have signed it, which root ${root.number} has replaced: boxes do not accept it any more`,
        {
          where,
          hint: `sign it again: ./draisine release sign ${place.where}; then, if it is published: ./draisine channel refresh BASE`,
        },
      );
  }
  await checkSigned(release, 'release', root);
}

/**
 * The faults of a release's files, one line each. `extra`: a file that the release does not name is a fault.
 */
export async function fileFaults({ place, value }: LocatedRelease): Promise<string[]> {
  const faults: string[] = [];
  for (const [name, wanted] of filesOf(value)) {
    const found = await place.digest(name);
    if (!found) faults.push(`${name} is missing`);
    else if (found.size !== wanted.size) faults.push(`${name} has ${found.size} bytes, not ${wanted.size}`);
    else if (found.sha256 !== wanted.sha256)
      faults.push(`${name} has SHA-256 ${found.sha256}, not ${wanted.sha256}`);
  }
  return faults;
}

/** The files that a release names, with their sizes and digests. */
export function filesOf(release: Release): [string, ReleaseFile][] {
  return Object.entries(release.files).flatMap(([name, file]): [string, ReleaseFile][] =>
    file ? [[name, file]] : [],
  );
}

/**
 * Checks all files of a release.
 * @throws Failure that names every wrong file
 */
export async function checkFiles(release: LocatedRelease): Promise<void> {
  const faults = await fileFaults(release);
  if (faults.length === 0) return;
  throw new Failure(`the release is damaged: ${faults.join('\n       ')}`, {
    where: release.place.where,
    hint: 'fetch or build it again',
  });
}

/** The differences between a release and a second build of it, one line each. */
export function rebuildFaults(release: Release, rebuilt: Release): string[] {
  const [before, after] = [new Map(filesOf(release)), new Map(filesOf(rebuilt))];
  const faults = [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((name) => {
    const [a, b] = [before.get(name), after.get(name)];
    if (!a || !b) return [`${name} is ${a ? 'not made any more' : 'new'}`];
    return a.sha256 === b.sha256
      ? []
      : [`${name} has SHA-256 ${b.sha256} now, the released one has ${a.sha256}`];
  });
  const rest = ({ files: _files, ...others }: Release) => JSON.stringify(others);
  return faults.length === 0 && rest(release) !== rest(rebuilt) ? ['release.json itself differs'] : faults;
}

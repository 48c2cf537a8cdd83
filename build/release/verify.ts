import { badInput, Failure } from '../../sdk/lib/errors.ts';
import type { Release, ReleaseFile, Root } from './format/types.ts';
import type { Place } from './place.ts';
import { readText } from './place.ts';
import { checkSigned, type Opened, openEnvelope } from './trust/envelope.ts';

/** A release as it lies in a place: read, and its signatures checked unless there is no root to check them with. */
export interface LocatedRelease extends Opened<'release'> {
  readonly place: Place;
  /** The bytes of release.json. */
  readonly text: string;
}

/** Reads release.json of a place. Its signatures are not checked: that is `checkReleaseTrust`. */
export async function readRelease(place: Place): Promise<LocatedRelease> {
  const text = await readText(
    place,
    'release.json',
    'name a folder or the URL of a folder that ./draisine release build made',
  );
  return { place, text, ...(await openEnvelope('release', text, place.at('release.json'))) };
}

/** Throws unless enough release keys of `root` have signed, and that root is new enough for the release. */
export async function checkReleaseTrust(release: LocatedRelease, root: Root): Promise<void> {
  const { value, where } = release;
  if ((value.root ?? 1) > root.number)
    throw badInput(`the release needs root ${value.root}, this is root ${root.number}`, {
      where,
      hint: 'take the newer root.json: --root FILE',
    });
  await checkSigned(release, 'release', root);
}

/** What is wrong with the files of a release: one line each. `extra`: a file that the release does not name is wrong. */
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

/** Throws a Failure that names every file that is not what the release says. */
export async function checkFiles(release: LocatedRelease): Promise<void> {
  const faults = await fileFaults(release);
  if (faults.length === 0) return;
  throw new Failure(`the release is not whole: ${faults.join('\n       ')}`, {
    where: release.place.where,
    hint: 'fetch or build it again',
  });
}

/** What differs between a release and the same one built again: one line each. */
export function rebuildFaults(release: Release, rebuilt: Release): string[] {
  const [before, after] = [new Map(filesOf(release)), new Map(filesOf(rebuilt))];
  const faults = [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((name) => {
    const [a, b] = [before.get(name), after.get(name)];
    if (!a || !b) return [`${name} is ${a ? 'not made any more' : 'new'}`];
    return a.sha256 === b.sha256
      ? []
      : [`${name} comes out as SHA-256 ${b.sha256}, released was ${a.sha256}`];
  });
  const rest = ({ files: _files, ...others }: Release) => JSON.stringify(others);
  return faults.length === 0 && rest(release) !== rest(rebuilt)
    ? ['release.json itself comes out otherwise']
    : faults;
}

import type { NotedRelease } from './notes.ts';
import { makeNotes, packageChanges } from './notes.ts';

/** A release, and the fetched files that it was made from, as `ARCHIVE/PATH`: packages, sources and tools. */
export interface SecurityView extends NotedRelease {
  readonly fetched: readonly string[];
}

/** Number of lines that are listed. The rest is only counted. */
const SAID = 10;
const SECURITY = 'debian-security/';

/**
 * What a release has changed besides security fixes, against the release before it: one line each. A security fix is a
 * package or a source that comes from Debian's security archive. Everything else counts: a package from another
 * archive, one that is gone, other units, users, listeners, kernel options or privileged files.
 */
export function besidesSecurity(from: SecurityView, to: SecurityView): string[] {
  const before = new Set(from.fetched);
  const foreign = to.fetched
    .filter((file) => !before.has(file) && !file.startsWith(SECURITY))
    .map((file) => `${file.split('/').at(-1)} does not come from ${SECURITY.slice(0, -1)}`);
  const gone = packageChanges(from.manifest, to.manifest)
    .filter((change) => change.to === undefined)
    .map(({ name }) => `the package ${name} is gone`);
  const notes = makeNotes(from, to, []);
  const facts = (['units', 'users', 'listeners', 'privileged', 'kernelConfig'] as const).flatMap((kind) =>
    notes[kind].map(({ name }) => `${KINDS[kind]} ${name} changed`),
  );
  const all = [...foreign, ...gone, ...facts];
  if (all.length <= SAID) return all;
  return [...all.slice(0, SAID), `and ${all.length - SAID} more: ./draisine release diff shows them`];
}

const KINDS = {
  units: 'the unit',
  users: 'the user',
  listeners: 'the listener',
  privileged: 'the privileged file',
  kernelConfig: 'the kernel option',
};

import { type Box, BoxError, readTextIfThere } from '../io/box.ts';
import { choice, type Field, isoTime, list, map, member, parseDocument, string, time } from '../io/fields.ts';

/** All below is readable by root alone: configs carry keys. */
export const CONFIG_FOLDER = '/var/lib/draisine/config';
/** What Ignition was given at first boot (draisine-provisioned.service of the initrd). */
export const PROVISIONED = `${CONFIG_FOLDER}/provisioned.json`;
/** The config that counts: of the last apply that was confirmed. */
export const CURRENT = `${CONFIG_FOLDER}/current.json`;
/** The config that is being applied. */
export const NEXT = `${CONFIG_FOLDER}/next.json`;
const DIGESTS = `${CONFIG_FOLDER}/digests.json`;
const JOURNAL = `${CONFIG_FOLDER}/journal.json`;
/** The journal of an apply that was confirmed, until its config is the current one: renaming decides. */
const COMMITTED = `${CONFIG_FOLDER}/committed.json`;
/** Paths that were not there, a line each, deepest first: for the initrd, which goes back after a power cut. */
const ABSENT = `${CONFIG_FOLDER}/absent`;

/** The archive of the files as they were before the apply. */
export const BACKUP = `${CONFIG_FOLDER}/backup.tar`;
const FORMAT = 1;

/**
 * How far an apply has come. `saved`: what it will touch is in the backup, nothing has changed. `changing`: some of it
 * may have. `unconfirmed`: all has changed, and goes back unless somebody says in time that all is well.
 */
export interface Journal {
  readonly id: string;
  readonly phase: 'saved' | 'changing' | 'unconfirmed';
  readonly since: number;
  readonly until: number;
  /** Paths that are in the backup. */
  readonly saved: readonly string[];
  /** Paths that were not there. */
  readonly absent: readonly string[];
}

/** The journal of an apply that is under way; undefined when there is none. Throws BoxError for another format. */
export function readJournal(box: Box): Journal | undefined {
  const text = readTextIfThere(box, JOURNAL);
  if (text === undefined) return undefined;
  const root = parseDocument(text, 'the journal of an apply', JOURNAL);
  if (member(root, 'format').value !== FORMAT)
    throw new BoxError('the journal of an apply has another format than this release knows', {
      where: JOURNAL,
      hint: 'boot the release that wrote it, or put back what is in backup.tar beside it and remove the journal',
    });
  return {
    id: string(member(root, 'id')),
    phase: choice(member(root, 'phase'), ['saved', 'changing', 'unconfirmed']),
    since: time(member(root, 'since')),
    until: time(member(root, 'until')),
    saved: list(member(root, 'saved'), (field) => string(field), 100_000),
    absent: list(member(root, 'absent'), (field) => string(field), 100_000),
  };
}

/** Writes the journal, so that it survives a power cut. */
export function writeJournal(box: Box, journal: Journal): void {
  if (journal.phase === 'saved')
    box.writeFile(ABSENT, deepestFirst(journal.absent).join(''), { mode: 0o600 });
  const { since, until, ...rest } = journal;
  const text = JSON.stringify({ format: FORMAT, ...rest, since: isoTime(since), until: isoTime(until) });
  box.writeFile(JOURNAL, `${text}\n`, { mode: 0o600 });
}

const deepestFirst = (paths: readonly string[]): string[] =>
  [...paths].sort((a, b) => b.split('/').length - a.split('/').length).map((path) => `${path}\n`);

/** The apply is confirmed from here on, whenever power fails. */
export function commitJournal(box: Box): void {
  box.rename(JOURNAL, COMMITTED);
  box.sync(CONFIG_FOLDER);
}

/** What a confirmed apply has left to do: its config becomes the current one. */
export function finishCommitted(box: Box): void {
  if (box.stat(COMMITTED) === undefined) return;
  if (box.stat(NEXT) !== undefined) box.rename(NEXT, CURRENT);
  box.sync(CONFIG_FOLDER);
  box.remove(COMMITTED);
  box.remove(BACKUP);
  box.remove(ABSENT);
}

/** The apply is over: nothing is left to put back. */
export function closeJournal(box: Box): void {
  box.remove(JOURNAL);
  box.sync(CONFIG_FOLDER);
  box.remove(BACKUP);
  box.remove(ABSENT);
}

/** The config that the machine has, as JSON; undefined on one that was provisioned by a release without apply. */
export function currentConfig(box: Box): Field | undefined {
  for (const path of [CURRENT, PROVISIONED]) {
    const text = readTextIfThere(box, path);
    if (text !== undefined) return parseDocument(text, 'the machine’s config', path);
  }
  return undefined;
}

/** SHA-256 of what was applied, by path. */
export function readDigests(box: Box): Map<string, string> {
  const text = readTextIfThere(box, DIGESTS);
  if (text === undefined) return new Map();
  const digests = map(parseDocument(text, 'the digests of what was applied', DIGESTS), (field) =>
    string(field),
  );
  return new Map(Object.entries(digests));
}

/** Remembers the digests of what was applied, by path. */
export function writeDigests(box: Box, digests: ReadonlyMap<string, string>): void {
  const text = JSON.stringify(Object.fromEntries([...digests].sort(([a], [b]) => (a < b ? -1 : 1))));
  box.writeFile(DIGESTS, `${text}\n`, { mode: 0o600 });
}

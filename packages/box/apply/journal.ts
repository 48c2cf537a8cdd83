import { type Box, BoxError, mustRun, readTextIfThere } from '../io/box.ts';
import {
  choice,
  type Field,
  isoTime,
  list,
  map,
  member,
  optional,
  parseDocument,
  string,
  time,
} from '../io/fields.ts';

/** This folder is readable by root alone, because configs contain keys. */
export const CONFIG_FOLDER = '/var/lib/draisine/config';
/** The config of the first boot (draisine-provisioned.service of the initrd writes it). */
export const PROVISIONED = `${CONFIG_FOLDER}/provisioned.json`;
/** The current config: the config of the last confirmed apply. */
export const CURRENT = `${CONFIG_FOLDER}/current.json`;
/** The config of the apply that is going on. */
export const NEXT = `${CONFIG_FOLDER}/next.json`;
const DIGESTS = `${CONFIG_FOLDER}/digests.json`;
/** The digests of the apply that is going on. They count once it is confirmed. */
const NEXT_DIGESTS = `${CONFIG_FOLDER}/next-digests.json`;
/** The release's defaults that applies have set back (packages/box/apply/defaults.ts). The initrd reads it. */
export const DEFAULTS = `${CONFIG_FOLDER}/defaults`;
/** The same after the apply that is going on. It counts once the apply is confirmed. */
export const NEXT_DEFAULTS = `${CONFIG_FOLDER}/next-defaults`;
const JOURNAL = `${CONFIG_FOLDER}/journal.json`;
/** The journal of a confirmed apply, until its config is the current one. Renaming to this name confirms. */
const COMMITTED = `${CONFIG_FOLDER}/committed.json`;
/** The journal of the last confirmed apply. */
const CONFIRMED = `${CONFIG_FOLDER}/confirmed.json`;
/** Paths that did not exist, one a line, deepest first. The initrd reads them for a revert after a power cut. */
const ABSENT = `${CONFIG_FOLDER}/absent`;

/** The archive of the files from before the apply. */
export const BACKUP = `${CONFIG_FOLDER}/backup.tar`;
const FORMAT = 1;

/**
 * The progress of an apply. `changing`: the backup is complete, and some paths may have changed. `unconfirmed`: all have
 * changed, and the change is reverted if no confirmation comes in time.
 */
export interface Journal {
  readonly id: string;
  readonly phase: 'changing' | 'unconfirmed';
  readonly since: number;
  readonly until: number;
  /** Paths in the backup. */
  readonly saved: readonly string[];
  /** Paths that did not exist. */
  readonly absent: readonly string[];
  /** Units that ran before. They run again after a revert. */
  readonly running: readonly string[];
}

/**
 * The journal of the apply that is going on; undefined if there is none.
 * @throws BoxError for another format
 */
export const readJournal = (box: Box): Journal | undefined => journalAt(box, JOURNAL);

/** The journal of the apply that was confirmed last; undefined if there was none. */
export const lastConfirmed = (box: Box): Journal | undefined => journalAt(box, CONFIRMED);

function journalAt(box: Box, path: string): Journal | undefined {
  const text = readTextIfThere(box, path);
  if (text === undefined) return undefined;
  const root = parseDocument(text, 'the journal of an apply', path);
  if (member(root, 'format').value !== FORMAT)
    throw new BoxError('the journal of an apply has another format than this release knows', {
      where: path,
      hint: 'boot the release that wrote it, or put back what is in backup.tar beside it and remove the journal',
    });
  return {
    id: string(member(root, 'id')),
    phase: choice(member(root, 'phase'), ['changing', 'unconfirmed']),
    since: time(member(root, 'since')),
    until: time(member(root, 'until')),
    saved: list(member(root, 'saved'), (field) => string(field), 100_000),
    absent: list(member(root, 'absent'), (field) => string(field), 100_000),
    // A journal of an older release does not have it.
    running: optional(member(root, 'running'), (field) => list(field, (one) => string(one), 100_000)) ?? [],
  };
}

/** Begins an apply. The config and the backup must reach the disk before the journal, which asks for a revert. */
export function openJournal(box: Box, journal: Journal, config: string): void {
  box.writeFile(NEXT, config, { mode: 0o600, durable: false });
  box.writeFile(ABSENT, deepestFirst(journal.absent).join(''), { mode: 0o600, durable: false });
  mustRun(box, 'the backup cannot be flushed', ['sync', NEXT, ABSENT, BACKUP, CONFIG_FOLDER]);
  writeJournal(box, journal);
}

/** Writes the journal, and flushes it to the disk. */
export function writeJournal(box: Box, journal: Journal): void {
  const { since, until, ...rest } = journal;
  const text = JSON.stringify({ format: FORMAT, ...rest, since: isoTime(since), until: isoTime(until) });
  box.writeFile(JOURNAL, `${text}\n`, { mode: 0o600 });
}

const deepestFirst = (paths: readonly string[]): string[] =>
  [...paths].sort((a, b) => b.split('/').length - a.split('/').length).map((path) => `${path}\n`);

/** Confirms the apply: from here on a power cut does not undo it. */
export function commitJournal(box: Box): void {
  box.rename(JOURNAL, COMMITTED);
  box.sync(CONFIG_FOLDER);
}

/** Finishes a confirmed apply: its config becomes the current one. */
export function finishCommitted(box: Box): void {
  if (box.stat(COMMITTED) === undefined) return;
  if (box.stat(NEXT) !== undefined) box.rename(NEXT, CURRENT);
  if (box.stat(NEXT_DIGESTS) !== undefined) box.rename(NEXT_DIGESTS, DIGESTS);
  if (box.stat(NEXT_DEFAULTS) !== undefined) box.rename(NEXT_DEFAULTS, DEFAULTS);
  box.sync(CONFIG_FOLDER);
  box.rename(COMMITTED, CONFIRMED);
  box.remove(BACKUP);
  box.remove(ABSENT);
}

/** Ends the apply: nothing is left to restore. */
export function closeJournal(box: Box): void {
  box.remove(JOURNAL);
  box.sync(CONFIG_FOLDER);
  box.remove(BACKUP);
  box.remove(ABSENT);
}

/** The file of a confirmed apply, if a power cut came before `finishCommitted`. A plan may not write. */
const unfinished = (box: Box, path: string): string[] => (box.stat(COMMITTED) === undefined ? [] : [path]);

/** The text that counts: that of a confirmed apply, until `finishCommitted` has renamed it. Undefined if there is none. */
export const readCurrent = (box: Box, next: string, current: string): string | undefined =>
  [...unfinished(box, next), current]
    .map((path) => readTextIfThere(box, path))
    .find((text) => text !== undefined);

/** The machine's config as JSON; undefined if a release without apply provisioned it. */
export function currentConfig(box: Box): Field | undefined {
  for (const path of [...unfinished(box, NEXT), CURRENT, PROVISIONED]) {
    const text = readTextIfThere(box, path);
    if (text !== undefined) return parseDocument(text, 'the machine’s config', path);
  }
  return undefined;
}

/** SHA-256 of the applied files, by path. */
export function readDigests(box: Box): Map<string, string> {
  const text = readCurrent(box, NEXT_DIGESTS, DIGESTS);
  if (text === undefined) return new Map();
  const digests = map(parseDocument(text, 'the digests of what was applied', DIGESTS), (field) =>
    string(field),
  );
  return new Map(Object.entries(digests));
}

/** Stores the digests of the files of the apply that is going on, by path. They are not flushed to the disk. */
export function writeDigests(box: Box, digests: ReadonlyMap<string, string>): void {
  const text = JSON.stringify(Object.fromEntries([...digests].sort(([a], [b]) => (a < b ? -1 : 1))));
  box.writeFile(NEXT_DIGESTS, `${text}\n`, { mode: 0o600, durable: false });
}

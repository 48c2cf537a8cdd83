import { isVersion } from '../../../build/release/format/version.ts';
import { type Box, BoxError, orLog, readTextIfThere } from '../io/box.ts';
import {
  choice,
  type Field,
  integer,
  isoTime,
  list,
  member,
  optional,
  parseDocument,
  string,
  time,
} from '../io/fields.ts';
import { withState } from './turn.ts';

/** The folder for the state of updates. */
export const FOLDER = '/var/lib/draisine/update';

/** The file with the state of updates. */
export const STATE = `${FOLDER}/state.json`;
const FORMAT = 1;

/** A release in the other slot that has not been committed. */
export interface Staged {
  readonly version: string;
  readonly rootHash: string;
  /** The release that ran when it was staged, and that runs again after a rejection. */
  readonly from: string;
  /** Milliseconds since 1970, as all times here. */
  readonly since: number;
  /** The owner asked for the restart, so it does not wait for a window. */
  readonly rebooting: boolean;
  /** Number of restarts into it. */
  readonly restarts?: number | undefined;
  /** Its second trial (`Rejected.again`). There is no third one. */
  readonly second?: boolean;
}

/** A release that this box has tried and rejected. Times in milliseconds since 1970. */
export interface Rejected {
  readonly version: string;
  readonly reason: string;
  readonly since: number;
  /** Folder with the evidence. */
  readonly evidence: string | undefined;
  /**
   * The time from which the release may have a second trial. It gets one if all losses may have a cause outside of the
   * box, since a server or a router may have been down. Undefined: the rejection is final.
   */
  readonly again?: number | undefined;
}

/** The release that the box has failed to stage, each time that it tried. */
export interface Unstaged {
  readonly version: string;
  readonly reason: string;
  /** Time of the last failure, in milliseconds since 1970. */
  readonly at: number;
  /** Number of failures. */
  readonly times: number;
}

/** A reason to wait that the owner or a program has given. Times in milliseconds since 1970. */
export interface Hold {
  readonly name: string;
  readonly reason: string;
  readonly since: number;
  /** Undefined: until the hold is released. */
  readonly until: number | undefined;
}

/** The result of the last check. */
export interface LastCheck {
  readonly at: number;
  readonly result: 'done' | 'failed';
  /** The finding, or the error. */
  readonly text: string;
}

/** The state of updates, besides the disk's own. */
export interface State {
  /** By `IMAGE/CHANNEL`: the highest accepted serial, and the channel keys that signed it. */
  readonly serials: Readonly<Record<string, { readonly serial: number; readonly keys: string }>>;
  /** The highest version that was ever committed: no older one is accepted. Undefined: none yet. */
  readonly floor: string | undefined;
  /** The newest time in a signed file. */
  readonly signedTime: number;
  readonly staged: Staged | undefined;
  readonly rejected: readonly Rejected[];
  readonly unstaged: Unstaged | undefined;
  readonly holds: readonly Hold[];
  readonly lastCheck: LastCheck | undefined;
  /** The result of the last trial, as text. */
  readonly lastTrial: { readonly version: string; readonly at: number; readonly text: string } | undefined;
}

/** The state of a box that has never seen a channel. */
export const NEW_STATE: State = {
  serials: {},
  floor: undefined,
  signedTime: 0,
  staged: undefined,
  rejected: [],
  unstaged: undefined,
  holds: [],
  lastCheck: undefined,
  lastTrial: undefined,
};

/**
 * Reads the version of a release.
 * @throws BoxError with the place of a fault
 */
export function version(field: Field): string {
  const value = string(field);
  if (!isVersion(value)) throw new BoxError(`${field.at} must be a version`);
  return value;
}

const text = (field: Field) => string(field);

/**
 * Reads a state.
 * @throws BoxError with the place of a fault
 */
export function parseState(content: string, where = STATE): State {
  const root = parseDocument(content, 'the state of updates', where);
  const format = integer(member(root, 'format'), 1);
  if (format !== FORMAT) throw new BoxError(`the state of updates has format ${format}`, { where });
  const serials = member(root, 'serials');
  return {
    serials: Object.fromEntries(
      Object.keys((serials.value ?? {}) as object).map((name) => {
        const each = member(serials, name);
        return [name, { serial: integer(member(each, 'serial'), 0), keys: text(member(each, 'keys')) }];
      }),
    ),
    floor: optional(member(root, 'floor'), version),
    signedTime: time(member(root, 'signedTime')),
    staged: optional(member(root, 'staged'), (staged) => ({
      version: version(member(staged, 'version')),
      rootHash: string(member(staged, 'rootHash'), /^[0-9a-f]{64}$/, 'a root hash'),
      from: version(member(staged, 'from')),
      since: time(member(staged, 'since')),
      rebooting: member(staged, 'rebooting').value === true,
      ...(member(staged, 'second').value === true ? { second: true } : {}),
      restarts: optional(member(staged, 'restarts'), (field) => integer(field, 0)),
    })),
    rejected: list(member(root, 'rejected'), (each) => ({
      version: version(member(each, 'version')),
      reason: text(member(each, 'reason')),
      since: time(member(each, 'since')),
      evidence: optional(member(each, 'evidence'), text),
      again: optional(member(each, 'again'), time),
    })),
    unstaged: optional(member(root, 'unstaged'), (unstaged) => ({
      version: version(member(unstaged, 'version')),
      reason: text(member(unstaged, 'reason')),
      at: time(member(unstaged, 'at')),
      times: integer(member(unstaged, 'times'), 1),
    })),
    holds: list(member(root, 'holds'), (each) => ({
      name: text(member(each, 'name')),
      reason: text(member(each, 'reason')),
      since: time(member(each, 'since')),
      until: optional(member(each, 'until'), time),
    })),
    lastCheck: optional(member(root, 'lastCheck'), (check) => ({
      at: time(member(check, 'at')),
      result: choice(member(check, 'result'), ['done', 'failed']),
      text: text(member(check, 'text')),
    })),
    lastTrial: optional(member(root, 'lastTrial'), (trial) => ({
      version: version(member(trial, 'version')),
      at: time(member(trial, 'at')),
      text: text(member(trial, 'text')),
    })),
  };
}

/** Writes times as text, to the second. */
export function formatState(state: State): string {
  const times = new Set(['signedTime', 'since', 'until', 'at', 'again']);
  const replace = (key: string, value: unknown) =>
    times.has(key) && typeof value === 'number' ? isoTime(value) : value;
  return `${JSON.stringify({ format: FORMAT, ...state }, replace, 2)}\n`;
}

/**
 * The state of the box. A damaged one, or one of a later format, is replaced by a new one, because the disk
 * has the important part.
 */
export function readState(box: Box): State {
  const content = readTextIfThere(box, STATE);
  if (content === undefined) return NEW_STATE;
  const what = 'the record of updates cannot be read, so a new one begins';
  return orLog(box, 'warning', what, () => parseState(content)) ?? NEW_STATE;
}

/** Writes the state, and flushes it to the disk. */
function writeState(box: Box, state: State): void {
  box.makeFolder(FOLDER, 0o700);
  box.writeFile(STATE, formatState(state), { mode: 0o600 });
}

/**
 * Reads, changes and writes the state. Returns the new one. Its own lock keeps two changes apart: a hold does not wait
 * until a release is staged.
 */
export const changeState = (box: Box, change: (state: State) => Partial<State>): State =>
  withState(box, () => {
    const state = readState(box);
    const next = { ...state, ...change(state) };
    writeState(box, next);
    return next;
  });

/**
 * Records a failure to stage a release. A commit or a rejection of the release ends the record. `resumes`: the next
 * attempt goes on where this one ended, so earlier failures do not count.
 */
export function recordUnstaged(box: Box, version: string, reason: string, resumes = false): void {
  changeState(box, ({ unstaged }) => ({
    unstaged: {
      ...{ version, reason, at: box.now() },
      times: !resumes && unstaged?.version === version ? unstaged.times + 1 : 1,
    },
  }));
}

import { BoxError } from '../io/box.ts';

/* Decides on the next step of a replication, from the state of both sides. Pure functions. */

/** A snapshot, `tank/a@x`, or a bookmark, `tank/a#x` (zfsconcepts(7)). */
export interface Point {
  readonly name: string;
  /** The GUID, which is the same on every machine. */
  readonly guid: string;
  /** Transaction group of the pool: the order on one machine, even if its clock was wrong. */
  readonly createtxg: number;
}

/** The dataset to send. Its points are in order, oldest first. */
export interface Source {
  readonly dataset: string;
  readonly encrypted: boolean;
  readonly snapshots: readonly Point[];
  readonly bookmarks: readonly Point[];
}

/** The dataset at the target. */
export interface Target {
  readonly dataset: string;
  readonly exists: boolean;
  readonly snapshots: readonly Point[];
  /** The token of an interrupted receive (zfs-receive(8), receive_resume_token). */
  readonly token: string | undefined;
}

/** The next step of a replication. */
export type Step =
  | { readonly do: 'resume'; readonly token: string }
  | { readonly do: 'send'; readonly snapshot: Point; readonly base: Point | undefined }
  /** Everything has been sent. Makes a new snapshot, once in a run. */
  | { readonly do: 'snapshot' }
  | { readonly do: 'done' };

/** Prefix of a replication's snapshots and bookmarks. No others are ever made or removed. */
export const prefixOf = (name: string): string => `replicate-${name}-`;

/** The part after @ or #. */
const tagOf = ({ name }: Point): string => name.slice(Math.max(name.indexOf('@'), name.indexOf('#')) + 1);

/** Snapshots and bookmarks that a replication has made. */
export const ownOf = (points: readonly Point[], name: string): Point[] =>
  points.filter((point) => {
    const tag = tagOf(point);
    return tag.startsWith(prefixOf(name)) && /^\d{8}T\d{6}Z$/.test(tag.slice(prefixOf(name).length));
  });

const guidsOf = (...lists: readonly (readonly Point[])[]): Set<string> =>
  new Set(lists.flat().map(({ guid }) => guid));

/**
 * The newest point of both sides. A receive without force needs the target's newest snapshot as its base. If
 * the source does not know that snapshot, nothing may be sent, and a person must decide what is lost.
 */
function commonBase(source: Source, target: Target): Point {
  const newest = target.snapshots.at(-1);
  if (!newest)
    throw new BoxError(`${target.dataset} exists at the target, and no replication made it`, {
      hint: 'nothing is overwritten: name a dataset that does not exist yet, or destroy that one by hand',
    });
  const known = [...source.snapshots, ...source.bookmarks];
  const base = known.find(({ guid }) => guid === newest.guid);
  if (base) return base;
  const guids = guidsOf(known);
  const shared = target.snapshots.filter(({ guid }) => guids.has(guid)).at(-1);
  if (!shared)
    throw new BoxError(`${target.dataset} at the target and ${source.dataset} have no snapshot in common`, {
      hint: 'nothing is overwritten: rename the one at the target (zfs rename); then everything is sent again',
    });
  throw new BoxError(
    `${target.dataset} at the target has snapshots that this machine does not have, such as ${newest.name}`,
    {
      hint: `nothing is overwritten: remove them there by hand (zfs rollback -r ${target.dataset}@${tagOf(shared)} removes everything newer)`,
    },
  );
}

/**
 * The next step. `made`: this run has made its snapshot.
 * @throws if only a person can go on
 */
export function nextStep(source: Source, target: Target, name: string, made: boolean): Step {
  if (target.token !== undefined) return { do: 'resume', token: target.token };
  const own = ownOf(source.snapshots, name);
  if (!target.exists) {
    const newest = own.at(-1);
    return newest ? { do: 'send', snapshot: newest, base: undefined } : { do: 'snapshot' };
  }
  const base = commonBase(source, target);
  // In order: points older than the base were sent before.
  const unsent = own.find(({ createtxg }) => createtxg > base.createtxg);
  if (unsent) return { do: 'send', snapshot: unsent, base };
  return { do: made ? 'done' : 'snapshot' };
}

/** Arguments of zfs-send(8). An encrypted dataset is sent encrypted: the target never has its key. */
export function sendWords(
  { encrypted }: Source,
  { snapshot, base }: { snapshot: Point; base: Point | undefined },
): string[] {
  const how = encrypted ? ['-w'] : ['-L', '-e', '-c'];
  return ['zfs', 'send', ...how, ...(base ? ['-i', base.name] : []), snapshot.name];
}

/**
 * Checks a token with the output of `zfs send -n -v -t TOKEN`. The token comes from the target. It must not
 * make this machine send another dataset, nor an encrypted one in plain text.
 */
export function checkToken(told: string, { dataset, encrypted }: Source, name: string): string {
  const snapshot = /^\s*toname = (.*)$/m.exec(told)?.[1]?.trim() ?? '';
  const point = { name: snapshot, guid: '', createtxg: 0 };
  if (!snapshot.startsWith(`${dataset}@`) || ownOf([point], name).length === 0)
    throw new BoxError(
      `the target is receiving ${snapshot === '' ? 'something' : snapshot}, which does not belong to this replication`,
      {
        hint: 'two replications must not have one target; zfs receive -A there drops the partial transfer',
      },
    );
  if (encrypted && !/^\s*rawok = (1|true)$/m.test(told))
    throw new BoxError(`the target asks for ${snapshot} unencrypted`, {
      hint: 'zfs receive -A at the target drops the partial transfer',
    });
  return snapshot;
}

/** Snapshots that may be removed at the source: made by this replication, sent, and older than the newest sent one. */
export function sourceLeftovers(source: Source, target: Target, name: string): Point[] {
  const sent = guidsOf(target.snapshots, ownOf(source.bookmarks, name));
  const snapshots = ownOf(source.snapshots, name).filter(({ guid }) => sent.has(guid));
  return snapshots.slice(0, -1);
}

/** Bookmarks of this replication that may be removed: older than the newest one, and the target lacks the snapshot. */
export function staleBookmarks(source: Source, target: Target, name: string): Point[] {
  const there = guidsOf(target.snapshots);
  const bookmarks = ownOf(source.bookmarks, name);
  return bookmarks.slice(0, -1).filter(({ guid }) => !there.has(guid));
}

/** Points that a bookmark must keep at the source, as a base for later transfers: the target's newest one. */
export function missingBookmark(source: Source, target: Target, name: string): Point | undefined {
  const newest = target.snapshots.at(-1)?.guid;
  const sent = ownOf(source.snapshots, name).find(({ guid }) => guid === newest);
  return sent && !source.bookmarks.some(({ guid }) => guid === newest) ? sent : undefined;
}

/** Snapshots that may be removed at the target: of this replication, beyond the newest `keep`. */
export function targetLeftovers(target: Target, name: string, keep: number): Point[] {
  return ownOf(target.snapshots, name).slice(0, -Math.max(keep, 1));
}

/** Reasons of failed transfers, as text. `link`: another attempt may succeed. */
export interface Fault {
  readonly what: string;
  readonly hint: string;
  readonly link: boolean;
}

const FAULTS: readonly (Fault & { readonly says: RegExp })[] = [
  {
    says: /out of space|no space left|quota exceeded/i,
    what: 'the target is full',
    hint: 'make room there; the next run continues where this one stopped',
    link: false,
  },
  {
    says: /has been modified|does not\s+match incremental source|destination .*exists/i,
    what: 'the dataset at the target has changed since the last transfer',
    hint: 'nothing is overwritten: zfs rollback to its newest snapshot there, and set readonly=on',
    link: false,
  },
  {
    says: /host key verification failed|host identification has changed/i,
    what: 'the host key of the target is not the one in hostKey',
    hint: 'if the target was installed again, write its new key into the machine config',
    link: false,
  },
  {
    says: /permission denied \(/i,
    what: 'the target does not accept the key',
    hint: 'its user needs the public key (users.NAME.sshKeys, ssh.receive)',
    link: false,
  },
  {
    says: /not allowed here|permission denied/i,
    what: 'the user at the target lacks permission',
    hint: 'ssh.receive there must name a dataset above the target',
    link: false,
  },
];

const NO_LINK: Fault = {
  what: 'the target cannot be reached, or the connection was cut',
  hint: 'the next run continues where this one stopped',
  link: true,
};

/** The reason of a failure. `code`: of ssh(1), 255 if ssh itself failed. */
export function faultOf(code: number, said: string): Fault | undefined {
  const known = FAULTS.find(({ says }) => says.test(said));
  if (known) return known;
  return code === 255 || code >= 128 || code === 124 ? NO_LINK : undefined;
}

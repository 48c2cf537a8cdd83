import { withLock } from '../disk/lock.ts';
import { type Box, BoxError, describeError, mustRun, orLog } from '../io/box.ts';
import { isoTime } from '../io/fields.ts';
import type { Replication } from '../settings/replicate.ts';
import {
  checkToken,
  missingBookmark,
  nextStep,
  type Point,
  prefixOf,
  type Source,
  sendWords,
  sourceLeftovers,
  staleBookmarks,
  type Target,
  targetLeftovers,
} from './decide.ts';
import { atTarget, LinkDown, lookAtSource, lookAtTarget, removeAtTarget, transfer } from './sides.ts';
import { recordFailure, recordLeftovers, recordSuccess } from './state.ts';

/** Number of attempts after a broken connection, and milliseconds between them. */
const TRIES = 4;
const PAUSE = 30_000;
/** More steps than a run can need. A run without progress must end. */
const STEPS = 50;

/**
 * Sends a dataset to its target, and records the outcome for notify and status. Returns the snapshot that the
 * target has.
 */
export function replicate(box: Box, replication: Replication): string {
  const { name } = replication;
  const busy = `replication ${name} is running already`;
  box.makeFolder('/run/draisine');
  return withLock(box, `/run/draisine/replicate-${name}.lock`, busy, () => {
    try {
      const progress: Progress = { made: false, dropped: false };
      const sent = withPatience(box, () => sendAll(box, replication, progress));
      recordSuccess(box, name, sent.name);
      tidyAfterwards(box, replication);
      return sent.name;
    } catch (error) {
      if (error instanceof BoxError) remember(box, () => recordFailure(box, name, describeError(error)));
      throw error;
    }
  });
}

/** A record that cannot be written must not hide why the run failed. */
const remember = (box: Box, record: () => void) =>
  orLog(box, 'warning', 'the failure cannot be recorded', record);

/** Removes old snapshots after the data has arrived, so a failure does not fail the transfer. The next run tries again. */
function tidyAfterwards(box: Box, replication: Replication): void {
  const { name } = replication;
  try {
    withPatience(box, () => tidy(box, replication));
    recordLeftovers(box, name, undefined);
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    const text = describeError(error);
    box.log('warning', `old snapshots stay until the next run: ${text}`);
    if (!(error instanceof LinkDown)) recordLeftovers(box, name, text);
  }
}

function withPatience<T>(box: Box, work: () => T): T {
  for (let tried = 1; ; tried++) {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof LinkDown) || tried >= TRIES) throw error;
      box.log('warning', `${describeError(error)}; trying again in ${PAUSE / 1000} seconds`);
      box.sleep(PAUSE);
    }
  }
}

/**
 * The state of a run over all of its attempts: whether its snapshot is made, and whether the target has
 * dropped a partial transfer.
 */
interface Progress {
  made: boolean;
  dropped: boolean;
}

/** Looks at both sides before each step, because only the real state counts. */
function sendAll(box: Box, replication: Replication, progress: Progress): Point {
  for (let count = 0; count < STEPS; count++) {
    const target = lookAtTarget(box, replication);
    const source = lookAtSource(box, replication);
    const step = nextStep(source, target, replication.name, progress.made);
    if (step.do === 'done') return arrived(source, target);
    if (step.do === 'snapshot') {
      makeSnapshot(box, replication);
      progress.made = true;
    } else if (step.do === 'send') {
      const { snapshot, base } = step;
      box.log(
        'info',
        `sending ${snapshot.name}${base ? `, the changes since ${base.name}` : ', completely'}`,
      );
      transfer(box, replication, sendWords(source, step));
    } else if (!resume(box, replication, source, step.token)) {
      if (progress.dropped)
        throw new BoxError('the target keeps offering a partial transfer that cannot continue');
      progress.dropped = true;
    }
  }
  throw new BoxError(`the replication makes no progress: it did not end in ${STEPS} steps`);
}

function arrived(source: Source, target: Target): Point {
  const newest = target.snapshots.at(-1);
  const sent = source.snapshots.find(({ guid }) => guid === newest?.guid);
  if (!sent) throw new BoxError(`the target lacks the snapshot that was sent: its newest is ${newest?.name}`);
  return sent;
}

/**
 * The clock only names the snapshot; the order is that of transaction groups. The snapshot is held until it
 * was sent.
 */
function makeSnapshot(box: Box, { name, dataset }: Replication): void {
  const snapshot = `${dataset}@${prefixOf(name)}${isoTime(box.now()).replaceAll(/[:-]/g, '')}`;
  mustRun(box, 'cannot make a snapshot', ['zfs', 'snapshot', snapshot]);
  mustRun(box, 'cannot hold the snapshot', ['zfs', 'hold', holdOf(name), snapshot]);
}

const holdOf = (name: string): string => `replicate-${name}`;

/** What zfs-send(8) says of a token with which no transfer can ever continue (zfs_send_resume() of libzfs). */
const USELESS =
  /resume token is corrupt|no longer the same snapshot|used in the initial send no longer exists|incremental source \S+ no longer exists/;

/**
 * Resumes an interrupted transfer. Returns false if no later run could resume it either. Only then does the target drop
 * the part that it has, because sending that part may have taken days.
 */
function resume(box: Box, replication: Replication, source: Source, token: string): boolean {
  const asked = box.run(['zfs', 'send', '-n', '-v', '-t', token], { timeoutSeconds: 300 });
  if (asked.code === 0) {
    const snapshot = checkToken(`${asked.stdout}\n${asked.stderr}`, source, replication.name);
    box.log('info', `the transfer of ${snapshot} was interrupted, and continues where it stopped`);
    transfer(box, replication, ['zfs', 'send', '-t', token]);
    return true;
  }
  const why = asked.stderr.trim().split('\n').at(-1) ?? '';
  if (!USELESS.test(asked.stderr))
    throw new BoxError(
      `the interrupted transfer cannot be looked at: ${why || `zfs ended with ${asked.code}`}`,
      {
        hint: `the partial transfer stays; if this lasts, zfs receive -A ${replication.target} at the target drops it`,
      },
    );
  box.log('warning', `the interrupted transfer cannot continue (${why}), so it starts again`);
  atTarget(box, replication, 'cannot drop the partial transfer', [
    'zfs',
    'receive',
    '-A',
    replication.target,
  ]);
  return false;
}

/** Removes old points on both sides. Snapshots that were not sent stay. */
function tidy(box: Box, replication: Replication): void {
  const { name, dataset, keep } = replication;
  const target = lookAtTarget(box, replication);
  const source = lookAtSource(box, replication);
  const unmarked = missingBookmark(source, target, name);
  if (unmarked)
    mustRun(box, 'cannot make a bookmark', [
      'zfs',
      'bookmark',
      unmarked.name,
      unmarked.name.replace('@', '#'),
    ]);
  const marked = unmarked ? lookAtSource(box, replication) : source;
  for (const point of sourceLeftovers(marked, target, name)) {
    // A person may have released the hold. The removal then shows whether something is wrong.
    box.run(['zfs', 'release', holdOf(name), point.name]);
    remove(box, point);
  }
  const gone = removeAtTarget(box, replication, targetLeftovers(target, name, keep));
  const staying = { ...target, snapshots: target.snapshots.filter((point) => !gone.includes(point)) };
  for (const point of staleBookmarks(marked, staying, name)) remove(box, point);
  box.log('notice', `${dataset} is at ${replication.host}, up to ${target.snapshots.at(-1)?.name}`);
}

function remove(box: Box, { name }: Point): void {
  mustRun(box, `cannot remove ${name}`, ['zfs', 'destroy', name]);
}

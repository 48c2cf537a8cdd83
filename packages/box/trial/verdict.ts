import { compareVersions } from '../../../build/release/format/version.ts';
import { fallback, installedUkis, markBad, markGood } from '../disk/assess.ts';
import { slotIsWhole } from '../disk/stage.ts';
import { type Box, BoxError, describeError, orLog, removeTree, uptime, whyFailed } from '../io/box.ts';
import { isoTime } from '../io/fields.ts';
import { notKnown, otherVersion, unreadableBy } from '../update/readable.ts';
import type { Running } from '../update/running.ts';
import { changeState, FOLDER, readState } from '../update/state.ts';
import { BASELINE, isOutside, readBaseline } from './baseline.ts';
import { dropEtc } from './etc.ts';
import { endTrial } from './on-trial.ts';

/** Milliseconds until the second trial of a release. Only losses whose cause may be outside of the box lead to a second trial. */
export const SECOND_TRIAL = 4 * 3_600_000;
/** The faults of a rejected release, to see whether the previous release has the same. */
export const AFTER = `${FOLDER}/after.json`;
const EVIDENCE = `${FOLDER}/evidence`;
const KEPT_EVIDENCE = 3;
const JOURNAL_LINES = '20000';

const COMMITTED = 'committed';
/** Begins the record of a trial that a release has survived, although something was missing. */
export const KEPT = 'kept in spite of its faults';

/**
 * Commits the release in the boot menu. Returns the reason why that fails; undefined if it succeeds. `text`: the result
 * of the trial.
 */
export function commitFault(
  box: Box,
  running: Running,
  notify: () => void,
  text = COMMITTED,
): string | undefined {
  try {
    markGood(box, running.disk, running.usr.rootHash);
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    const fault = `the release cannot be committed: ${describeError(error)}`;
    box.log('error', fault);
    return fault;
  }
  // The boot menu has the commit. The timer records it when there is room.
  orLog(box, 'error', 'the commit cannot be recorded', () => finishCommit(box, running, text));
  notify();
  return undefined;
}

/** Commits the running release. */
export function commit(box: Box, running: Running, notify: () => void): void {
  markGood(box, running.disk, running.usr.rootHash);
  finishCommit(box, running);
  notify();
}

/** Records a commit. The record ends with the state, so that an interrupted one is repeated at the next boot. */
export function finishCommit(box: Box, { version }: Running, text = COMMITTED): void {
  endTrial(box); // first: the state partition may be full
  dropEtc(box);
  box.remove(BASELINE);
  box.remove(AFTER);
  changeState(box, ({ floor, rejected }) => ({
    staged: undefined,
    unstaged: undefined,
    floor: floor === undefined || compareVersions(version, floor) > 0 ? version : floor,
    // The box stages no release below the floor, so older rejections are not needed.
    rejected: rejected.filter((each) => compareVersions(each.version, version) > 0),
    lastTrial: { version, at: box.now(), text },
  }));
  box.log('notice', `${version} is ${text}`);
}

/**
 * The damage of the release in the other slot, because of which it could not boot; undefined if it is whole, or if that is
 * not known.
 */
export function damageOfOther(box: Box, { disk, usr }: Running): string | undefined {
  return orLog(box, 'warning', 'the release in the other slot cannot be checked', () => {
    const other = fallback(disk, installedUkis(box, disk));
    if (!other || slotIsWhole(box, other.slot, other.uki.rootHash!)) return undefined;
    // A program that is broken in this release also finds the running slot damaged.
    const own = disk.slots.find(({ running }) => running);
    if (!own || !slotIsWhole(box, own, usr.rootHash)) return undefined;
    return `slot ${other.slot.name} no longer holds the complete release ${other.uki.version}`;
  });
}

/**
 * Goes back to the previous release, even if something cannot be recorded. If that release is damaged, this one stays:
 * otherwise the boot loader would start the damaged one for ever.
 */
export function reject(
  box: Box,
  running: Running,
  faults: readonly string[],
  notify: () => void = () => {},
): void {
  const { version } = running;
  const damage = damageOfOther(box, running);
  if (damage !== undefined) {
    const text = `${KEPT}, because ${damage}: ${faults.join('; ')}`;
    orLog(box, 'error', 'the evidence could not be saved', () => saveEvidence(box, version, faults));
    if (commitFault(box, running, notify, text) === undefined) return;
  }
  box.log('error', `${version} is rejected: ${faults.join('; ')}`);
  endTrial(box);
  const price = lostByGoingBack(box, running);
  if (price !== '') box.log('error', price);
  orLog(box, 'error', 'the evidence could not be saved', () =>
    recordRejection(box, version, faults, saveEvidence(box, version, faults), price),
  );
  // If this fails, the boot loader counts the remaining tries.
  orLog(box, 'error', 'its tries could not be removed', () =>
    markBad(box, running.disk, running.usr.rootHash),
  );
  leave(box);
}

/** Restarts. A release that is broken may not be able to stop its services, or to reach its systemd. */
function leave(box: Box): void {
  const faults: string[] = [];
  for (const force of [[], ['--force'], ['--force', '--force']]) {
    const command = ['systemctl', 'reboot', ...force];
    const ran = box.run(command, { timeoutSeconds: 60 });
    if (ran.code === 0) return;
    faults.push(whyFailed(command, ran));
  }
  throw new BoxError(`cannot restart: ${faults.join('; ')}`);
}

/** A sentence about the pools that the previous release cannot read, or perhaps cannot read; empty if it can read all. */
function lostByGoingBack(box: Box, running: Running): string {
  const other = otherVersion(running);
  if (other === undefined) return '';
  try {
    const lost = unreadableBy(box, other);
    if (lost.length === 0) return notKnown(box, other) ?? '';
    return `${other} cannot read these pools: ${lost.join('; ')}. draisine stage ${running.version} stages this release again`;
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    return `it is not known whether ${other} can read the pools: ${describeError(error)}`;
  }
}

function saveEvidence(box: Box, version: string, faults: readonly string[]): string {
  const folder = `${EVIDENCE}/${version}`;
  removeTree(box, folder);
  box.makeFolder(folder, 0o700);
  const list = box
    .list(EVIDENCE)
    .filter((name) => name !== version)
    .sort(compareVersions);
  for (const old of list.slice(0, Math.max(0, list.length - KEPT_EVIDENCE + 1)))
    removeTree(box, `${EVIDENCE}/${old}`);
  const found = { version, at: isoTime(box.now()), uptime: uptime(box), faults };
  box.writeFile(`${folder}/faults.json`, `${JSON.stringify(found, null, 2)}\n`, { mode: 0o600 });
  box.run(['journalctl', '--boot', '--no-pager', '--output=short-monotonic', `--lines=${JOURNAL_LINES}`], {
    stdoutFile: `${folder}/journal.txt`,
    timeoutSeconds: 120,
  });
  return folder;
}

export function recordRejection(
  box: Box,
  version: string,
  faults: readonly string[],
  evidence: string | undefined,
  price = '',
): void {
  const told = `${faults.join('; ')}${price === '' ? '' : ` (${price})`}`;
  const again =
    isOutside(readBaseline(box), faults) && readState(box).staged?.second !== true
      ? box.now() + SECOND_TRIAL
      : undefined;
  const reason =
    again === undefined ? told : `${told}; the cause may be outside of this box, so there is a second trial`;
  changeState(box, ({ rejected }) => ({
    staged: undefined,
    unstaged: undefined,
    rejected: [
      ...rejected.filter((each) => each.version !== version),
      { version, reason, since: box.now(), evidence, again },
    ],
    lastTrial: { version, at: box.now(), text: `rejected: ${reason}` },
  }));
  box.writeFile(AFTER, `${JSON.stringify({ version, faults })}\n`, { mode: 0o600 });
  box.log('error', `${version} was rejected: ${reason}`);
}

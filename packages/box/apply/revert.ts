import { LOCKED, withLock } from '../disk/lock.ts';
import { type Box, BoxError, describeError, mustRun, orLog } from '../io/box.ts';
import { parseDocument } from '../io/fields.ts';
import { PROBLEMS, tellProblem } from '../io/problems.ts';
import { decodeUtf8, encodeUtf8 } from '../io/utf8.ts';
import { unitStates } from '../trial/baseline.ts';
import { digestAll, lookAt, readAccounts } from './actual.ts';
import { restoreAll } from './backup.ts';
import { foldersBack } from './folders.ts';
import { closeJournal, currentConfig, type Journal, NEXT, readJournal } from './journal.ts';
import { withKeys } from './keys.ts';
import { makePlan } from './plan.ts';
import { forgetFailed, reviveUnits, runServices, stops, type Troubles } from './run.ts';
import type { ReleaseUnits, Service } from './services.ts';
import { readWishes, type Wishes } from './wishes.ts';

/** Only one process may change, confirm or revert at a time. */
export const APPLY_LOCK = '/run/draisine/apply.lock';

/** Contents that an apply has fetched. */
export const FETCHED = '/run/draisine/apply';

/** While this file is there, some paths may have been reverted, and others not. A restart reverts all of them. */
const REVERTING = '/run/draisine/apply-reverting';

const REVERT_UNIT = 'draisine-apply-revert';
const RELEASE = '/usr/lib/systemd/system';

/** Whether a revert has begun and has not succeeded. */
export const isReverting = (box: Box): boolean => box.stat(REVERTING) !== undefined;

/** Units of the release that configs name, or that the release starts. */
export function releaseUnits(box: Box, ...configs: readonly Wishes[]): ReleaseUnits {
  const named = new Set(configs.flatMap(({ units }) => [...units.keys()]));
  const folders =
    box.stat(RELEASE) === undefined ? [] : box.list(RELEASE).filter((name) => name.endsWith('.wants'));
  return {
    there: new Set([...named].filter((name) => box.stat(`${RELEASE}/${name}`) !== undefined)),
    wanted: new Set(folders.flatMap((folder) => box.list(`${RELEASE}/${folder}`))),
  };
}

/**
 * Starts the timer that reverts an unconfirmed apply. Each apply has another unit name, because systemd refuses to start
 * a unit whose name it still knows. systemd restarts the unit only if it was killed, because `revertPatiently` counts
 * its own attempts.
 */
export function arm(box: Box, id: string, seconds: number): void {
  settled(box);
  mustRun(box, 'the timer for the revert cannot be started: nothing was changed', [
    ...['systemd-run', '--quiet', '--collect', `--unit=${REVERT_UNIT}-${id}`, `--on-active=${seconds}`],
    ...['--timer-property=AccuracySec=1s', '--property=Restart=on-abnormal', '--property=RestartSec=10'],
    ...['--', '/usr/bin/draisine', 'apply', '--revert', '--patient'],
  ]);
}

/** Stops the timer that reverts an unconfirmed apply. */
export const disarm = (box: Box, id: string): void => {
  box.run(['systemctl', 'stop', `${REVERT_UNIT}-${id}.timer`]);
};

/** Reverts an unconfirmed apply. Returns whether there was one. */
export function revert(box: Box): boolean {
  return withLock(box, APPLY_LOCK, 'an apply is going on', () => {
    const journal = readJournal(box);
    if (journal === undefined) {
      settled(box);
      return false;
    }
    revertNow(box, journal);
    return true;
  });
}

/** Attempts to revert, and milliseconds between two of them. */
const TRIES = 5;
const PAUSE = 10_000;

/**
 * Reverts an unconfirmed apply, for the timer. It waits while an apply is going on. After some failures it stops, and tells
 * the owner what to do.
 */
export function revertPatiently(box: Box): boolean {
  for (let failed = 0; ; ) {
    try {
      return revert(box);
    } catch (error) {
      const busy = error instanceof BoxError && error.code === LOCKED;
      if (!busy) {
        box.log('error', `the change cannot be reverted: ${describeError(error)}`);
        if (++failed >= TRIES) {
          tellOwner(box, error);
          throw error;
        }
      }
      box.sleep(PAUSE);
    }
  }
}

function tellOwner(box: Box, error: unknown): void {
  const text = `a change of this machine was not confirmed, and cannot be reverted: ${describeError(error)}. draisine apply --revert tries again; so does a restart, before any service starts`;
  tellProblem(box, 'apply', `${text.replaceAll('\n', '; ')}\n`);
}

/**
 * Reverts a change in the order of an apply: stops units that the old config does not have, restores files, starts
 * units. The timer is stopped last, so that it tries again after a failure.
 */
export function revertNow(box: Box, journal: Journal): void {
  box.writeFile(REVERTING, '', { durable: false });
  const services = servicesBack(box, journal);
  const stopped = runServices(box, services.filter(stops));
  restoreAll(box, journal.saved, journal.absent);
  box.run(['systemctl', 'daemon-reload']);
  const troubles = [
    ...stopped,
    ...runServices(
      box,
      services.filter((service) => !stops(service)),
    ),
  ];
  forgetFailed(box, services);
  troubles.push(...startAgain(box, journal.running));
  for (const trouble of troubles) box.log('warning', `revert: ${trouble}`);
  closeJournal(box);
  settled(box);
  disarm(box, journal.id);
  box.log('notice', `the apply ${journal.id} went back: the machine is as it was`);
}

/**
 * Starts the units that ran before the apply and do not run now: a unit that failed with its new file, and units that
 * systemd stopped because they need it.
 */
function startAgain(box: Box, running: readonly string[]): Troubles {
  const down = orLog(box, 'error', 'revert: units cannot be asked for', () =>
    unitStates(box, running).flatMap(({ id, active }) => (/^(failed|inactive)$/.test(active) ? [id] : [])),
  );
  return down === undefined ? [] : reviveUnits(box, down);
}

/** Nothing is left to revert. */
function settled(box: Box): void {
  box.remove(REVERTING);
  if (box.stat(`${PROBLEMS}/apply`) !== undefined) tellProblem(box, 'apply', '');
}

/** The actions on units. If they cannot be planned, there are none, and the revert restores the files alone. */
function servicesBack(box: Box, journal: Journal): readonly Service[] {
  try {
    return planBack(box, journal);
  } catch (error) {
    box.log(
      'error',
      `revert: the files are restored, but no unit is restarted, so restart the machine: ${describeError(error)}`,
    );
    return [];
  }
}

function planBack(box: Box, { saved, absent }: Journal): readonly Service[] {
  const current = currentConfig(box);
  if (current === undefined || box.stat(NEXT) === undefined) return [];
  const accounts = readAccounts(box);
  const wishes = (config: ReturnType<typeof parseDocument>, before?: Wishes) =>
    withKeys(readWishes(config, encodeUtf8), accounts, before);
  const from = wishes(parseDocument(box.readText(NEXT), 'the config that was applied', NEXT));
  const to = wishes(current, from);
  const paths = [...new Set([...from.nodes.keys(), ...to.nodes.keys()])];
  digestAll(box, [...from.nodes.values(), ...to.nodes.values()]);
  const touched = new Set([...saved, ...absent]);
  const given = {
    ...{ actual: lookAt(box, paths), accounts, applied: new Map() },
    // The revert does not touch the other changes by hand.
    keepTheirs: new Set(paths.filter((path) => !touched.has(path))),
    takeMine: touched,
    ...{ release: releaseUnits(box, from, to), folders: foldersBack(box, from, to) },
  };
  return makePlan(from, to, given, decodeUtf8).services;
}

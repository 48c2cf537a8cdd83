import { withLock } from '../disk/lock.ts';
import { type Box, BoxError, describeError, folderOf, foldersAbove, removeTree } from '../io/box.ts';
import { parseDocument } from '../io/fields.ts';
import { decodeUtf8, encodeUtf8 } from '../io/utf8.ts';
import { onTrial } from '../trial/on-trial.ts';
import { ACCOUNT_FILES, changeAccounts, newHomePaths } from './accounts.ts';
import { digestAll, lookAt, readAccounts } from './actual.ts';
import { saveAll } from './backup.ts';
import { listDefaults, unlistNamed } from './defaults.ts';
import { foldersBack } from './folders.ts';
import { pullImages } from './images.ts';
import {
  CONFIG_FOLDER,
  CURRENT,
  closeJournal,
  commitJournal,
  currentConfig,
  finishCommitted,
  type Journal,
  lastConfirmed,
  openJournal,
  readDigests,
  readJournal,
  writeDigests,
  writeJournal,
} from './journal.ts';
import { withKeys } from './keys.ts';
import { changeNodes, type Fetched, fetchAll, flush, makingOf } from './nodes.ts';
import { isEmpty, makePlan, type Plan, pathOf, type Refusal } from './plan.ts';
import { APPLY_LOCK, arm, disarm, FETCHED, isReverting, releaseUnits, revertNow } from './revert.ts';
import { changeUnits, disableUnits, forgetFailed, runServices, stops, type Troubles } from './run.ts';
import type { Service } from './services.ts';
import { readWishes, type Wishes } from './wishes.ts';

const PRESET = '/etc/systemd/system-preset/20-ignition.preset';

/**
 * The health of the machine: recorded before a change, compared after it. The same comparison as in a trial
 * of an update.
 */
export interface Health<Baseline = unknown> {
  record(box: Box): Baseline;
  /** The units that ran then. */
  running(before: Baseline): readonly string[];
  /** The losses since `record`, as text. `services`: the actions of the change, which takes some things away on purpose. */
  lost(
    box: Box,
    before: Baseline,
    services: readonly Service[],
    /** Seconds for restarted units to come up again. */
    patience: number,
  ): readonly string[];
}

/** The config to apply, and how the change is confirmed. */
export interface ApplyOptions {
  /** The compiled Ignition config, as text. */
  readonly config: string;
  /** Seconds until the change is reverted, unless it is confirmed. */
  readonly confirmSeconds: number;
  readonly keepTheirs: readonly string[];
  readonly takeMine: readonly string[];
  /** Name of the apply; default: the time. */
  readonly id?: string | undefined;
}

/** The outcome of an apply. */
export interface Applied {
  readonly id: string;
  readonly result: 'nothing to do' | 'waits for confirmation' | 'went back';
  /** Failures and losses. */
  readonly troubles: Troubles;
  readonly plan: Plan;
}

interface Prepared {
  readonly plan: Plan;
  readonly old: Wishes;
  readonly next: Wishes;
}

/** Refuses to plan while another apply is not decided: its changes would look like changes by hand. */
function refuseSecond(box: Box): void {
  const other = readJournal(box);
  if (other === undefined) return;
  const since = new Date(other.since).toISOString();
  throw new BoxError(
    other.phase === 'unconfirmed'
      ? `an apply of ${since} waits for confirmation`
      : `an apply of ${since} is going on, or was interrupted`,
    { hint: `wait; or draisine apply --confirm ${other.id}, or draisine apply --revert` },
  );
}

/** What a trial that fails would take back (packages/box/trial/etc.ts). */
function trialRefusals(box: Box, plan: Plan): Refusal[] {
  const trial = isEmpty(plan) ? undefined : onTrial(box);
  return trial === undefined
    ? []
    : [
        {
          what: `release ${trial.version} is on trial: if it is rejected, /etc is again as it was before, without this change`,
          hint: 'wait for the end of the trial (draisine status shows it), or keep the release now: draisine commit',
        },
      ];
}

/** The changes that a config would make on this machine. Changes nothing. */
export function prepare(box: Box, options: Omit<ApplyOptions, 'confirmSeconds'>): Prepared {
  refuseSecond(box);
  const current = currentConfig(box);
  if (current === undefined)
    throw new BoxError('this machine does not know the config it was made with', {
      hint: 'it was provisioned by a release without apply: reset it once with the config (draisine reset)',
    });
  const accounts = readAccounts(box);
  const old = withKeys(readWishes(current, encodeUtf8), accounts);
  const next = withKeys(
    readWishes(parseDocument(options.config, 'the config', 'stdin'), encodeUtf8),
    accounts,
    old,
  );
  const paths = [...new Set([...old.nodes.keys(), ...next.nodes.keys()])];
  digestAll(box, [...old.nodes.values(), ...next.nodes.values()]);
  const plan = makePlan(
    old,
    next,
    {
      actual: lookAt(box, paths),
      accounts,
      applied: readDigests(box),
      release: releaseUnits(box, old, next),
      folders: foldersBack(box, old, next),
      keepTheirs: new Set(options.keepTheirs),
      takeMine: new Set(options.takeMine),
    },
    decodeUtf8,
  );
  return { plan: { ...plan, refusals: [...trialRefusals(box, plan), ...plan.refusals] }, old, next };
}

/** Does with a fetch what it needs, and removes what it has fetched. */
function withFetched<T>(box: Box, plan: Plan, use: (fetched: Fetched) => T): T {
  removeTree(box, FETCHED);
  box.makeFolder(FETCHED, 0o700);
  try {
    return use(fetchAll(box, plan.nodes, FETCHED));
  } finally {
    removeTree(box, FETCHED);
  }
}

/** Refuses a plan with impossible changes, or with conflicts that a person must decide. */
function refuse(plan: Plan): void {
  const [refusal] = plan.refusals;
  if (refusal) throw new BoxError(refusal.what, { hint: refusal.hint });
  const conflicts = plan.drift.filter(({ conflict }) => conflict).map(({ path }) => path);
  if (conflicts.length > 0)
    throw new BoxError(`changed by hand on the machine, and changed in the config: ${conflicts.join(', ')}`, {
      hint: `say whose stays: --keep-theirs ${conflicts[0]} or --take-mine ${conflicts[0]}`,
    });
}

/** Every path whose node the plan can change. */
function touched({ nodes, accounts, enable, disable }: Plan): string[] {
  const folders = nodes.flatMap((step) => foldersAbove(pathOf(step)));
  const units = ['/etc/systemd/system', ...([...enable, ...disable].length > 0 ? [PRESET] : [])];
  return [
    ...new Set([
      ...folders,
      ...nodes.map(pathOf),
      ...nodes.map((step) => makingOf(pathOf(step))),
      ...(accounts.length > 0 ? ACCOUNT_FILES : []),
      ...units,
    ]),
  ];
}

/** `systemctl enable` makes links below /etc/systemd/system. All of them are in the backup. */
function enablementLinks(box: Box): string[] {
  const found = box.run(['find', '/etc/systemd/system', '-type', 'l']);
  return found.code === 0
    ? found.stdout
        .trim()
        .split('\n')
        .filter((path) => path !== '')
    : [];
}

/**
 * The preset file that Ignition writes, sorted, so that it equals the file of a machine that was provisioned with the
 * config.
 */
function writePreset(box: Box, { units }: Wishes): void {
  const lines = [...units.values()].flatMap(({ name, enabled }) =>
    enabled === undefined ? [] : [`${enabled ? 'enable' : 'disable'} ${name}\n`],
  );
  if (lines.length === 0 && box.stat(PRESET) === undefined) return;
  box.makeFolder(folderOf(PRESET));
  box.writeFile(PRESET, lines.sort().join(''), { durable: false });
}

/** The least time in milliseconds that must be left for a confirmation. */
const MARGIN = 5000;

/** Seconds for restarted units to come up again, with a short time until the revert. */
const LEAST_PATIENCE = 60;

function change(
  box: Box,
  { plan, next }: Prepared,
  { fetched, running }: { readonly fetched: Fetched; readonly running: readonly string[] },
): Troubles {
  const stopped = [...runServices(box, plan.services.filter(stops)), ...disableUnits(box, plan)];
  changeAccounts(
    box,
    plan.accounts.filter(({ do: what }) => !what.endsWith('-remove')),
  );
  const digests = readDigests(box);
  for (const [path, digest] of changeNodes(box, plan.nodes, readAccounts(box), fetched))
    digests.set(path, digest);
  writeDigests(box, digests);
  listDefaults(box, plan.nodes, next);
  writePreset(box, next);
  const troubles = [
    ...stopped,
    ...changeUnits(box, plan),
    ...runServices(
      box,
      plan.services.filter((service) => !stops(service)),
      new Set(running),
    ),
  ];
  forgetFailed(box, plan.services);
  // Last, because the units of these accounts have stopped by now.
  changeAccounts(
    box,
    plan.accounts.filter(({ do: what }) => what.endsWith('-remove')),
  );
  flush(box, plan.nodes.map(pathOf));
  return troubles;
}

/**
 * Brings the machine to a config. Contents and images are fetched first. Then the timer for the revert starts, before the
 * first change. A failure or a loss reverts the change at once. After success the machine waits for `confirm`, and
 * reverts the change if no confirmation comes in time.
 */
export function apply<Baseline>(box: Box, health: Health<Baseline>, options: ApplyOptions): Applied {
  return withLock(box, APPLY_LOCK, 'another apply is going on', () => {
    finishCommitted(box);
    const prepared = prepare(box, options);
    const { plan } = prepared;
    refuse(plan);
    const id = options.id ?? idOf(box);
    if (isEmpty(plan)) {
      keepConfig(box, options.config);
      unlistNamed(box, prepared.next);
      return { id, result: 'nothing to do', troubles: [], plan };
    }
    return withFetched(box, plan, (fetched) => {
      pullImages(box, plan.nodes, decodeUtf8);
      const why = changeOrGoBack(box, health, { ...options, id }, prepared, fetched);
      return { id, result: why.length === 0 ? 'waits for confirmation' : 'went back', troubles: why, plan };
    });
  });
}

/** Saves what the plan can change, changes it, and looks for losses. Returns the reasons why the machine went back. */
function changeOrGoBack<Baseline>(
  box: Box,
  health: Health<Baseline>,
  { id, config, confirmSeconds }: ApplyOptions & { readonly id: string },
  prepared: Prepared,
  fetched: Fetched,
): Troubles {
  const { plan } = prepared;
  const before = health.record(box);
  const [now, start] = [box.now(), box.monotonic()];
  box.makeFolder(CONFIG_FOLDER, 0o700);
  const paths = [...touched(plan), ...newHomePaths(box, plan.accounts), ...enablementLinks(box)];
  const times = { since: now, until: now + confirmSeconds * 1000 };
  const running = health.running(before);
  let journal: Journal;
  try {
    journal = { id, phase: 'changing', ...saveAll(box, paths), running, ...times };
    openJournal(box, journal, config);
    arm(box, id, confirmSeconds);
  } catch (error) {
    closeJournal(box); // half of a backup would take the room of a full partition
    throw error;
  }
  const why = attempt(box, () => {
    const troubles = change(box, prepared, { fetched, running });
    if (troubles.length > 0) return troubles;
    const lost = [...health.lost(box, before, plan.services, Math.max(LEAST_PATIENCE, confirmSeconds / 2))];
    if (box.monotonic() - start > confirmSeconds * 1000 - MARGIN)
      lost.push(`it took longer than the ${confirmSeconds} seconds after which the machine goes back`);
    if (lost.length === 0) writeJournal(box, { ...journal, phase: 'unconfirmed' });
    return lost;
  });
  if (why.length > 0) goBackAtOnce(box, journal, why);
  return why;
}

function goBackAtOnce(box: Box, journal: Journal, why: Troubles): void {
  try {
    revertNow(box, journal);
  } catch (error) {
    throw new BoxError(`${why.join('; ')}. The change cannot be reverted now: ${describeError(error)}`, {
      hint: 'the machine tries again by itself; draisine health tells if that fails',
    });
  }
}

function attempt(box: Box, work: () => Troubles): Troubles {
  try {
    return work();
  } catch (error) {
    box.log('error', `apply: ${describeError(error)}`);
    return [describeError(error)];
  }
}

const idOf = (box: Box): string => `${Math.floor(box.now() / 1000)}`;

function keepConfig(box: Box, text: string): void {
  box.makeFolder(CONFIG_FOLDER, 0o700);
  box.writeFile(CURRENT, text, { mode: 0o600 });
}

/**
 * Confirms an apply: a new connection has reached the machine. From now on the machine has the new config. A second
 * confirmation changes nothing: the answer to the first one may have been lost.
 */
export function confirm(box: Box, id: string): void {
  withLock(box, APPLY_LOCK, 'the machine goes back at this very moment', () => {
    finishCommitted(box);
    const journal = readJournal(box);
    if (journal?.id === id && journal.phase === 'unconfirmed' && !isReverting(box)) {
      commitJournal(box);
      // Not earlier: without the timer, and without the confirmation, nothing would revert the change.
      disarm(box, id);
      finishCommitted(box);
    } else if (lastConfirmed(box)?.id !== id)
      throw new BoxError(`no apply ${id} waits for confirmation: the machine went back, or is going back`);
  });
}

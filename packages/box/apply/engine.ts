import { withLock } from '../disk/lock.ts';
import { type Box, BoxError, describeError, folderOf, foldersAbove, mustRun, removeTree } from '../io/box.ts';
import { parseDocument } from '../io/fields.ts';
import { decodeUtf8, encodeUtf8 } from '../io/utf8.ts';
import { ACCOUNT_FILES, changeAccounts, newHomePaths } from './accounts.ts';
import { digestAll, lookAt, readAccounts } from './actual.ts';
import { restoreAll, saveAll } from './backup.ts';
import { foldersBack } from './folders.ts';
import {
  CONFIG_FOLDER,
  CURRENT,
  closeJournal,
  commitJournal,
  currentConfig,
  finishCommitted,
  type Journal,
  NEXT,
  readDigests,
  readJournal,
  writeDigests,
  writeJournal,
} from './journal.ts';
import { withKeys } from './keys.ts';
import { changeNodes, fetchAll, flush, makingOf } from './nodes.ts';
import { isEmpty, makePlan, type Plan, pathOf } from './plan.ts';
import { changeUnits, disableUnits, runServices, type Troubles } from './run.ts';
import type { ReleaseUnits, Service } from './services.ts';
import { readWishes, type Wishes } from './wishes.ts';

const FETCHED = '/run/draisine/apply';
const PRESET = '/etc/systemd/system-preset/20-ignition.preset';
const REVERT_UNIT = 'draisine-apply-revert';

/**
 * The health of the machine: recorded before a change, compared after it. The same comparison as in a trial
 * of an update.
 */
export interface Health<Baseline = unknown> {
  record(box: Box): Baseline;
  /** The losses since `record`, as text. `going`: units that the change stops on purpose. */
  lost(box: Box, before: Baseline, going: ReadonlySet<string>): readonly string[];
}

/** The config to apply, and how the change is confirmed. */
export interface ApplyOptions {
  /** The compiled Ignition config, as text. */
  readonly config: string;
  /** Seconds until the machine goes back, unless the change is confirmed. */
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

const RELEASE = '/usr/lib/systemd/system';

function releaseUnits(box: Box, ...configs: readonly Wishes[]): ReleaseUnits {
  const named = new Set(configs.flatMap(({ units }) => [...units.keys()]));
  const folders =
    box.stat(RELEASE) === undefined ? [] : box.list(RELEASE).filter((name) => name.endsWith('.wants'));
  return {
    there: new Set([...named].filter((name) => box.stat(`${RELEASE}/${name}`) !== undefined)),
    wanted: new Set(folders.flatMap((folder) => box.list(`${RELEASE}/${folder}`))),
  };
}

/** The changes that a config would make on this machine. Changes nothing. */
export function prepare(box: Box, options: Omit<ApplyOptions, 'confirmSeconds'>): Prepared {
  finishCommitted(box);
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
  return { plan, old, next };
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
 * Ignition's own file of presets, sorted: a machine that is provisioned with the config has the same lines.
 */
function writePreset(box: Box, { units }: Wishes): void {
  const lines = [...units.values()].flatMap(({ name, enabled }) =>
    enabled === undefined ? [] : [`${enabled ? 'enable' : 'disable'} ${name}\n`],
  );
  if (lines.length === 0 && box.stat(PRESET) === undefined) return;
  box.makeFolder(folderOf(PRESET));
  box.writeFile(PRESET, lines.sort().join(''));
}

/**
 * The unit has a name of its own, because systemd refuses to start a unit that it still remembers. It tries again: while the
 * apply itself goes on, nothing can go back.
 */
function arm(box: Box, id: string, seconds: number): void {
  mustRun(box, 'the way back cannot be armed: nothing was changed', [
    ...['systemd-run', '--quiet', '--collect', `--unit=${REVERT_UNIT}-${id}`, `--on-active=${seconds}`],
    ...['--timer-property=AccuracySec=1s', '--property=Restart=on-failure', '--property=RestartSec=10'],
    ...['--', '/usr/bin/draisine', 'apply', '--revert'],
  ]);
}

/** Milliseconds that are left for a confirmation, at least. */
const MARGIN = 5000;

const disarm = (box: Box, { id }: Journal): void => {
  box.run(['systemctl', 'stop', `${REVERT_UNIT}-${id}.timer`]);
};

/**
 * What goes is stopped while its file is there: without it systemd knows no ExecStop= of it, and a timer fails at the
 * next reload, because what it triggers has vanished.
 */
const stops = (service: Service): boolean => service.do === 'stop';

/** A unit that failed before it was stopped is not remembered as one that has failed. */
function forgetFailed(box: Box, services: readonly Service[]): void {
  const stopped = services.flatMap((service) => (service.do === 'stop' ? [service.unit] : []));
  if (stopped.length > 0) box.run(['systemctl', 'reset-failed', '--', ...stopped]);
}

function change(box: Box, { plan, next }: Prepared, digests: Map<string, string>): Troubles {
  const fetched = fetchAll(box, plan.nodes, FETCHED);
  const stopped = [...runServices(box, plan.services.filter(stops)), ...disableUnits(box, plan)];
  changeAccounts(
    box,
    plan.accounts.filter(({ do: what }) => !what.endsWith('-remove')),
  );
  for (const [path, digest] of changeNodes(box, plan.nodes, readAccounts(box), fetched))
    digests.set(path, digest);
  writePreset(box, next);
  const troubles = [
    ...stopped,
    ...changeUnits(box, plan),
    ...runServices(
      box,
      plan.services.filter((service) => !stops(service)),
    ),
  ];
  forgetFailed(box, plan.services);
  // Last, because the units of these accounts have stopped by now.
  changeAccounts(
    box,
    plan.accounts.filter(({ do: what }) => what.endsWith('-remove')),
  );
  flush(box, plan.nodes);
  return troubles;
}

/**
 * Brings the machine to a config. The way back is armed before the first change. A failure or a loss takes it
 * at once.
 * After success the machine waits for `confirm`, and goes back if none comes in time.
 */
export function apply<Baseline>(box: Box, health: Health<Baseline>, options: ApplyOptions): Applied {
  return withLock(box, '/run/draisine/apply.lock', 'another apply is going on', () => {
    const waiting = readJournal(box);
    if (waiting)
      throw new BoxError(`an apply of ${new Date(waiting.since).toISOString()} waits for confirmation`, {
        hint: `draisine apply --confirm ${waiting.id}, or draisine apply --revert`,
      });
    const prepared = prepare(box, options);
    const { plan } = prepared;
    refuse(plan);
    const id = options.id ?? idOf(box);
    if (isEmpty(plan)) {
      keepConfig(box, options.config);
      return { id, result: 'nothing to do', troubles: [], plan };
    }
    const before = health.record(box);
    box.makeFolder(CONFIG_FOLDER, 0o700);
    box.writeFile(NEXT, options.config, { mode: 0o600 });
    removeTree(box, FETCHED);
    box.makeFolder(FETCHED, 0o700);
    const { saved, absent } = saveAll(box, [
      ...touched(plan),
      ...newHomePaths(box, plan.accounts),
      ...enablementLinks(box),
    ]);
    const [now, start] = [box.now(), box.monotonic()];
    const journal: Journal = {
      ...{ id, phase: 'saved', saved, absent, since: now },
      until: now + options.confirmSeconds * 1000,
    };
    writeJournal(box, journal);
    try {
      arm(box, id, options.confirmSeconds);
    } catch (error) {
      closeJournal(box);
      throw error;
    }
    writeJournal(box, { ...journal, phase: 'changing' });
    const digests = readDigests(box);
    const troubles = attempt(box, () => change(box, prepared, digests));
    const lost = troubles.length > 0 ? [] : health.lost(box, before, goingUnits(plan));
    const late =
      box.monotonic() - start > options.confirmSeconds * 1000 - MARGIN
        ? [`it took longer than the ${options.confirmSeconds} seconds after which the machine goes back`]
        : [];
    const why = [...troubles, ...lost, ...late];
    if (why.length > 0) {
      disarm(box, journal);
      revertNow(box, journal);
      return { id, result: 'went back', troubles: why, plan };
    }
    writeDigests(box, digests);
    writeJournal(box, { ...journal, phase: 'unconfirmed' });
    return { id, result: 'waits for confirmation', troubles: [], plan };
  });
}

const goingUnits = ({ services }: Plan): ReadonlySet<string> =>
  new Set(services.flatMap((service) => (service.do === 'stop' ? [service.unit] : [])));

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
 * Confirms an apply: a new connection has reached the machine. From now on the machine has the new config.
 */
export function confirm(box: Box, id: string): void {
  withLock(box, '/run/draisine/apply.lock', 'the machine goes back at this very moment', () => {
    const journal = readJournal(box);
    if (journal === undefined || journal.id !== id || journal.phase !== 'unconfirmed')
      throw new BoxError(`no apply ${id} waits for confirmation: it went back, or was confirmed before`);
    disarm(box, journal);
    commitJournal(box);
    finishCommitted(box);
  });
}

/** Reverts an unconfirmed apply. Returns whether there was one. */
export function revert(box: Box): boolean {
  return withLock(box, '/run/draisine/apply.lock', 'an apply is going on', () => {
    const journal = readJournal(box);
    if (journal === undefined) return false;
    disarm(box, journal);
    revertNow(box, journal);
    return true;
  });
}

/**
 * The way back, in the same order: stop units that the old config does not have, restore files, start units.
 */
function revertNow(box: Box, journal: Journal): void {
  const services = planBack(box)?.services ?? [];
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
  for (const trouble of troubles) box.log('warning', `going back: ${trouble}`);
  closeJournal(box);
  removeTree(box, FETCHED);
  box.log('notice', `the apply ${journal.id} went back: the machine is as it was`);
}

function planBack(box: Box): Plan | undefined {
  const current = currentConfig(box);
  if (current === undefined || box.stat(NEXT) === undefined) return undefined;
  const accounts = readAccounts(box);
  const wishes = (config: ReturnType<typeof parseDocument>, before?: Wishes) =>
    withKeys(readWishes(config, encodeUtf8), accounts, before);
  const from = wishes(parseDocument(box.readText(NEXT), 'the config that was applied', NEXT));
  const to = wishes(current, from);
  const paths = [...new Set([...from.nodes.keys(), ...to.nodes.keys()])];
  digestAll(box, [...from.nodes.values(), ...to.nodes.values()]);
  const all = new Set(paths);
  return makePlan(
    from,
    to,
    {
      ...{ actual: lookAt(box, paths), accounts, applied: new Map(), keepTheirs: new Set(), takeMine: all },
      ...{ release: releaseUnits(box, from, to), folders: foldersBack(box, from, to) },
    },
    decodeUtf8,
  );
}

import { isVersion } from '../../../build/release/format/version.ts';
import { bootOther } from '../disk/assess.ts';
import { runningUsr } from '../disk/inspect.ts';
import { withLock } from '../disk/lock.ts';
import { type Terminal, WrongUsage } from '../install/terminal.ts';
import { type Box, BoxError, describeError } from '../io/box.ts';
import { isoTime } from '../io/fields.ts';
import { readBaseline } from '../trial/baseline.ts';
import { atBoot, commit, onTrial, reject } from '../trial/trial.ts';
import { type Checked, check, describeDecision, type Request, recall } from '../update/check.ts';
import { readPolicy } from '../update/policy.ts';
import { type Running, runningRelease } from '../update/running.ts';
import { prepareTrial, restart, stageRelease, unstage } from '../update/stage.ts';
import { changeState, readState } from '../update/state.ts';
import { readFirst } from '../zfs/pools.ts';
import { writeNotices } from './notice.ts';
import { type Options, parseDuration } from './options.ts';
import { formatStatus, formatWhy, statusReport } from './report.ts';

const LOCK = '/run/draisine/update.lock';
const TAKEN = 'another update is going on: draisine status says how far it is';

type Verb = (box: Box, terminal: Terminal, options: Options) => void;

function exclusive<T>(box: Box, use: () => T): T {
  box.makeFolder('/run/draisine');
  return withLock(box, LOCK, TAKEN, use);
}

function refuseOnTrial(box: Box): void {
  const trial = onTrial(box);
  if (trial)
    throw new BoxError(`${trial.version} is on trial`, {
      hint: 'draisine commit or draisine rollback ends it',
    });
}

/** Remembers how a check ended, whatever it ended with. */
function remembered(box: Box, ask: () => Checked): Checked {
  try {
    const checked = ask();
    changeState(box, () => ({
      lastCheck: { at: box.now(), result: 'done', text: describeDecision(checked.decision) },
    }));
    return checked;
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    changeState(box, () => ({ lastCheck: { at: box.now(), result: 'failed', text: describeError(error) } }));
    throw error;
  }
}

function requestOf({ words, values }: Options): Request {
  const [version, other] = words;
  if (other !== undefined) throw new WrongUsage(`one version, not also ${other}`);
  if (version !== undefined && !isVersion(version))
    throw new WrongUsage(`a version as 2026.1129.0, not ${version}`);
  return { base: values.base, asked: { version } };
}

function tell(terminal: Terminal, { json }: Options, value: object, text: string): void {
  terminal.print(json ? JSON.stringify(value, null, 2) : text);
}

const status: Verb = (box, terminal, options) => {
  const report = statusReport(box);
  tell(terminal, options, report, formatStatus(report));
};

const why: Verb = (box, terminal, options) => {
  const report = statusReport(box);
  const { next, trial, updates, lastCheck, version } = report;
  tell(terminal, options, { version, next, trial, updates, lastCheck }, formatWhy(report));
};

const checkNow: Verb = (box, terminal, options) => {
  const { base } = requestOf({ ...options, words: [] });
  const running = runningRelease(box);
  const { decision } = exclusive(box, () => remembered(box, () => check(box, running, { base })));
  tell(terminal, options, decision, describeDecision(decision));
};

function doStage(box: Box, terminal: Terminal, running: Running, checked: Checked): object {
  const started = box.monotonic();
  const traffic = stageRelease(box, running, checked, (step) => terminal.complain(step));
  writeNotices(box);
  return { ...traffic, seconds: Math.round((box.monotonic() - started) / 1000) };
}

const stageNow: Verb = (box, terminal, options) => {
  refuseOnTrial(box);
  const running = runningRelease(box);
  const request = requestOf(options);
  exclusive(box, () => {
    const checked = remembered(box, () => check(box, running, request));
    const { decision } = checked;
    if (decision.action === 'stage') {
      const done = doStage(box, terminal, running, checked);
      tell(terminal, options, { ...decision, ...done }, `${decision.version} is staged: draisine reboot`);
    } else if (decision.action === 'wait') throw new BoxError(describeDecision(decision));
    else
      tell(
        terminal,
        options,
        decision,
        decision.action === 'reboot'
          ? `${decision.version} is staged already: draisine reboot`
          : decision.reason,
      );
  });
};

/** How often the channel is asked, and how soon again when it did not answer. Milliseconds. */
const EVERY = 4 * 3_600_000;
const AGAIN = 30 * 60_000;

/** Whether the channel is to be asked now; what is known already may say so too: a turn in a rollout has come. */
function isDue(box: Box, running: Running): boolean {
  const { lastCheck } = readState(box);
  if (!lastCheck) return true;
  const age = box.now() - lastCheck.at;
  if (age < 0 || age >= (lastCheck.result === 'done' ? EVERY : AGAIN)) return true;
  return recall(box, running)?.decision.action === 'stage';
}

/**
 * What the timer and a stick start: check, and do what the policy says. That a server is down, or says what must not be
 * believed, is told by journal, status and why; it makes no unit fail.
 */
const update: Verb = (box, terminal, options) => {
  if (onTrial(box)) return box.log('info', 'nothing is checked while a release is on trial');
  const running = runningRelease(box);
  const { base } = requestOf({ ...options, words: [] });
  const { staged } = readState(box);
  if (base === undefined && readPolicy(box).base === undefined && !staged) return;
  exclusive(box, () => {
    try {
      if (base !== undefined || isDue(box, running)) askAndStage(box, terminal, running, base);
      restartAsPolicySays(box, running);
    } catch (error) {
      if (!(error instanceof BoxError)) throw error;
      box.log('error', `no update: ${describeError(error)}`);
    } finally {
      writeNotices(box);
    }
  });
};

function askAndStage(box: Box, terminal: Terminal, running: Running, base: string | undefined): void {
  // Whoever plugs in a stick asks for what is on it.
  const request = base === undefined ? {} : { base, asked: {} };
  try {
    const checked = remembered(box, () => check(box, running, request));
    if (checked.decision.action === 'stage') doStage(box, terminal, running, checked);
    else box.log('info', describeDecision(checked.decision));
  } catch (error) {
    // What is staged already does not wait for a server that is down.
    if (!(error instanceof BoxError) || !readState(box).staged) throw error;
    box.log('warning', describeError(error));
  }
}

function restartAsPolicySays(box: Box, running: Running): void {
  const known = recall(box, running);
  if (!known || !readState(box).staged) return;
  const { decision, situation } = known;
  box.log('info', describeDecision(decision));
  if (decision.action === 'unstage') unstage(box, running, decision.reason);
  if (decision.action === 'reboot') restart(box, running, situation.policy, decision.reason);
}

const reboot: Verb = (box, _terminal, { words }) => {
  if (words.length > 0) throw new WrongUsage(`reboot takes no ${words[0]}`);
  refuseOnTrial(box);
  const running = runningRelease(box);
  exclusive(box, () => {
    const { staged } = readState(box);
    restart(box, running, readPolicy(box), staged ? `${staged.version} is staged` : 'its owner says so');
  });
};

const commitNow: Verb = (box, terminal, options) => {
  const trial = onTrial(box);
  if (!trial) throw new BoxError('no release is on trial');
  exclusive(box, () => commit(box, runningRelease(box), () => writeNotices(box)));
  tell(terminal, options, { action: 'commit', version: trial.version }, `${trial.version} is committed`);
};

const rollback: Verb = (box, terminal, options) => {
  const running = runningRelease(box);
  exclusive(box, () => {
    if (onTrial(box)) return reject(box, running, ['its owner rolled it back']);
    const { version } = running;
    prepareTrial(box, running, readPolicy(box));
    const other = bootOther(box, running.disk, running.usr.rootHash);
    changeState(box, ({ rejected }) => ({
      staged: {
        version: other.version,
        rootHash: other.rootHash!,
        from: version,
        since: box.now(),
        rebooting: true,
      },
      rejected: [
        ...rejected.filter((each) => each.version !== version && each.version !== other.version),
        { version, reason: 'its owner rolled it back', since: box.now(), evidence: undefined },
      ],
    }));
    box.log('notice', `${version} is rolled back by its owner: ${other.version} runs from the next boot on`);
    tell(terminal, options, { action: 'rollback', version: other.version }, `back to ${other.version}`);
    restart(box, running, readPolicy(box), `back to ${other.version}`);
  });
};

const hold: Verb = (box, terminal, options) => {
  const [name, other] = options.words;
  if (name === undefined || other !== undefined || !/^[A-Za-z0-9._-]{1,64}$/.test(name))
    throw new WrongUsage(
      'a hold has a name of letters, digits, dots and hyphens: draisine hold NAME --reason TEXT',
    );
  const reason = options.values.reason ?? 'no reason was given';
  const { for: duration } = options.values;
  const until = duration === undefined ? undefined : box.now() + parseDuration(duration);
  exclusive(box, () =>
    changeState(box, ({ holds }) => ({
      holds: [...holds.filter((each) => each.name !== name), { name, reason, since: box.now(), until }],
    })),
  );
  const end = until === undefined ? `draisine release-hold ${name}` : isoTime(until);
  tell(
    terminal,
    options,
    { name, reason, until: until === undefined ? undefined : isoTime(until) },
    `updates are held until: ${end}`,
  );
};

const releaseHold: Verb = (box, terminal, options) => {
  const [name] = options.words;
  if (name === undefined) throw new WrongUsage('which hold: draisine release-hold NAME');
  exclusive(box, () => {
    if (!readState(box).holds.some((each) => each.name === name))
      throw new BoxError(`there is no hold ${name}`);
    changeState(box, ({ holds }) => ({ holds: holds.filter((each) => each.name !== name) }));
  });
  tell(terminal, options, { name }, `${name} holds nothing any more`);
};

/** By draisine-boot.service. */
const boot: Verb = (box) => {
  atBoot(box, () => writeNotices(box));
};

/** Before pools are imported: on trial each is read first. */
const readPools: Verb = (box) => {
  const { staged } = readState(box);
  const baseline = readBaseline(box);
  if (!staged || !baseline || baseline.pools.length === 0) return;
  if (staged.rootHash !== runningUsr(box).rootHash) return;
  const faults = readFirst(box, baseline.pools);
  if (faults.length > 0) throw new BoxError(`no pool is imported for writing: ${faults.join('; ')}`);
  box.log(
    'notice',
    `pools were read first, and are as they were: ${baseline.pools.map(({ name }) => name).join(', ')}`,
  );
};

/** Verbs, the options that they take, and what they do; those without a text are for units. */
export const VERBS: Readonly<
  Record<
    string,
    {
      readonly run: Verb;
      readonly options: readonly string[];
      readonly usage: string;
      readonly does?: string;
    }
  >
> = {
  status: {
    run: status,
    options: [],
    usage: 'status',
    does: 'what runs, what is staged, on trial or rejected',
  },
  why: { run: why, options: [], usage: 'why', does: 'why nothing happens, and what ends that' },
  check: { run: checkNow, options: ['base'], usage: 'check', does: 'asks the channel; changes nothing' },
  stage: {
    run: stageNow,
    options: ['base'],
    usage: 'stage [VERSION]',
    does: 'puts the next release into the other slot',
  },
  reboot: { run: reboot, options: [], usage: 'reboot', does: 'restarts, into what is staged' },
  commit: { run: commitNow, options: [], usage: 'commit', does: 'ends a trial: this release stays' },
  rollback: {
    run: rollback,
    options: [],
    usage: 'rollback',
    does: 'back to the release of the other slot, and restart',
  },
  hold: {
    run: hold,
    options: ['reason', 'for'],
    usage: 'hold NAME [--reason TEXT] [--for 14d]',
    does: 'no updates until it is released',
  },
  'release-hold': { run: releaseHold, options: [], usage: 'release-hold NAME', does: 'ends a hold' },
  update: { run: update, options: ['base'], usage: 'update' },
  boot: { run: boot, options: [], usage: 'boot' },
  'read-pools': { run: readPools, options: [], usage: 'read-pools' },
};

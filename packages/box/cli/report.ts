import { compareVersions } from '../../../build/release/format/version.ts';
import { installedUkis } from '../disk/assess.ts';
import { type Box, BoxError, describeError } from '../io/box.ts';
import { isoTime } from '../io/fields.ts';
import { readReplicationState } from '../replicate/state.ts';
import { readReplications } from '../settings/replicate.ts';
import { readPolicy } from '../settings/update.ts';
import { type OnTrial, onTrial } from '../trial/on-trial.ts';
import { describeDecision, describeWait, recall } from '../update/check.ts';
import type { Decision, Wait } from '../update/decide.ts';
import { featureNotes, otherVersion } from '../update/readable.ts';
import { type Running, releaseIdentity, runningRelease } from '../update/running.ts';
import { readState, type State } from '../update/state.ts';

/** The document of `draisine status --json`; times are text. */
export interface StatusReport {
  readonly image: string;
  readonly version: string;
  readonly rootHash: string | undefined;
  /** Whether the box can be updated; if not, the reason. */
  readonly updates: { readonly possible: boolean; readonly reason: string | undefined };
  readonly base: string | undefined;
  readonly channel: string | undefined;
  readonly mode: string | undefined;
  readonly trial: OnTrial | undefined;
  readonly slots: readonly {
    readonly name: string;
    readonly version: string | undefined;
    readonly running: boolean;
    /** Whether its kernel image is on the ESP. */
    readonly bootable: boolean;
    readonly tries: number | undefined;
  }[];
  readonly staged: { readonly version: string; readonly since: string } | undefined;
  readonly rejected: readonly {
    readonly version: string;
    readonly reason: string;
    readonly since: string;
    readonly evidence: string | undefined;
  }[];
  readonly holds: readonly {
    readonly name: string;
    readonly reason: string;
    readonly until: string | undefined;
  }[];
  readonly floor: string | undefined;
  /**
   * Faults of pool features: the other release cannot read a pool, or a pool has more features than its owner
   * wants.
   */
  readonly pools: readonly string[];
  /**
   * Datasets that are sent to other machines, with the last snapshot that arrived, and the reason if the last
   * run failed.
   */
  readonly replications: readonly {
    readonly name: string;
    /** Undefined, like `host`, if the config of the replication cannot be read; then `failure` is the reason. */
    readonly dataset: string | undefined;
    readonly host: string | undefined;
    readonly arrived: string | undefined;
    readonly failure: string | undefined;
  }[];
  readonly lastCheck: { readonly at: string; readonly result: string; readonly text: string } | undefined;
  readonly lastTrial: { readonly version: string; readonly at: string; readonly text: string } | undefined;
  readonly next:
    | { readonly action: Decision['action']; readonly text: string; readonly waits: readonly Wait[] }
    | undefined;
}

/** A value, or a sentence with the reason why it is missing. */
export function attempt<T>(call: () => T): {
  readonly value: T | undefined;
  readonly fault: string | undefined;
} {
  try {
    return { value: call(), fault: undefined };
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    return { value: undefined, fault: describeError(error) };
  }
}

/** Collects the status of the box and of its updates. */
export function statusReport(box: Box): StatusReport {
  const identity = releaseIdentity(box);
  const running = attempt(() => runningRelease(box));
  const policy = attempt(() => readPolicy(box));
  const state = readState(box);
  const trial = onTrial(box);
  const fault =
    running.fault ??
    policy.fault ??
    (policy.value?.base === undefined ? 'no source of updates is named (update.base)' : undefined);
  const next = running.value && policy.value && !trial ? recall(box, running.value) : undefined;
  return {
    ...identity,
    rootHash: running.value?.usr.rootHash,
    updates: { possible: fault === undefined, reason: fault },
    base: policy.value?.base,
    channel: policy.value?.channel,
    mode: policy.value?.mode,
    trial,
    slots: running.value ? slotsOf(box, running.value) : [],
    staged: state.staged && { version: state.staged.version, since: isoTime(state.staged.since) },
    rejected: state.rejected.map((each) => ({ ...each, since: isoTime(each.since) })),
    holds: activeHolds(box, state).map(({ name, reason, until }) => ({
      name,
      reason,
      until: until === undefined ? undefined : isoTime(until),
    })),
    floor: state.floor,
    pools: poolsOf(box, running.value),
    replications: replicationsOf(box),
    lastCheck: state.lastCheck && { ...state.lastCheck, at: isoTime(state.lastCheck.at) },
    lastTrial: state.lastTrial && { ...state.lastTrial, at: isoTime(state.lastTrial.at) },
    next: next && {
      action: next.decision.action,
      text: describeDecision(next.decision),
      waits: next.decision.action === 'wait' ? next.decision.waits : [],
    },
  };
}

function slotsOf(box: Box, { disk, usr }: Running): StatusReport['slots'] {
  const ukis = installedUkis(box, disk);
  return disk.slots.map(({ name, version, running }) => {
    const uki = ukis.find((each) => (running ? each.rootHash === usr.rootHash : each.version === version));
    return { name, version, running, bootable: uki !== undefined, tries: uki?.left };
  });
}

/** The rest of the report must not depend on a pool that does not answer. */
function poolsOf(box: Box, running: Running | undefined): readonly string[] {
  const { value, fault } = attempt(() => featureNotes(box, running && otherVersion(running)));
  return value ?? [fault!];
}

function replicationsOf(box: Box): StatusReport['replications'] {
  return readReplications(box).map(({ name, replication, fault }) => {
    const { success, failure } = readReplicationState(box, name);
    const { dataset, host } = replication ?? {};
    return { name, dataset, host, arrived: success && isoTime(success.at), failure: fault ?? failure?.text };
  });
}

/** Holds that have not ended. */
function activeHolds(box: Box, { holds }: Pick<State, 'holds'>): State['holds'] {
  return holds.filter(({ until }) => until === undefined || until > box.now());
}

/** The first lines of `status`, which consoles and logins show as well. */
export function noticeLines(
  report: Pick<StatusReport, 'version' | 'trial' | 'staged' | 'rejected' | 'lastTrial'>,
): string[] {
  const { version, trial, staged, rejected } = report;
  const lines: string[] = [];
  if (trial) {
    const missing =
      trial.faults.length > 0 ? `; not yet: ${trial.faults.slice(0, 3).join('; ')}` : '; nothing is missing';
    lines.push(`${version} is on trial until ${Math.ceil(trial.deadline / 60)} min after the boot${missing}`);
  }
  if (staged && staged.version !== version)
    lines.push(`${staged.version} is staged and runs from the next restart on`);
  // An older one does not matter any more.
  const last = rejected.filter((each) => compareVersions(each.version, version) > 0).at(-1);
  if (last) lines.push(`${last.version} was rejected: ${last.reason}`);
  return lines;
}

/** A status as text for a terminal. */
export function formatStatus(report: StatusReport): string {
  const lines: string[] = [`runs      ${report.image} ${report.version}`];
  const add = (label: string, text: string) => lines.push(`${label.padEnd(9)} ${text}`);
  if (report.base !== undefined) add('channel', `${report.channel} of ${report.base}, mode ${report.mode}`);
  if (!report.updates.possible) add('updates', `none: ${report.updates.reason}`);
  for (const line of noticeLines(report)) add('', line);
  for (const { name, version, running, bootable, tries } of report.slots) {
    const state = running
      ? ', runs'
      : version === undefined
        ? ''
        : !bootable
          ? ', not in the boot menu'
          : tries === undefined
            ? ', for a rollback'
            : `, ${tries} tries left`;
    add(`slot ${name}`, `${version ?? 'empty'}${state}`);
  }
  for (const { name, reason, until } of report.holds)
    add('held', `by ${name}: ${reason}${until === undefined ? '' : `, until ${until}`}`);
  for (const note of report.pools) add('pools', note);
  const { lastCheck, lastTrial, next } = report;
  if (lastCheck)
    add('checked', `${lastCheck.at}${lastCheck.result === 'failed' ? ', failed' : ''}: ${lastCheck.text}`);
  if (lastTrial) add('trial', `${lastTrial.at} ${lastTrial.version}: ${lastTrial.text}`);
  for (const { name, dataset, host, arrived, failure } of report.replications)
    add(
      'sent',
      `${dataset ?? name} to ${host ?? 'an unknown machine'}: ${arrived ?? 'nothing yet'}${failure === undefined ? '' : '; the last run failed: draisine health'}`,
    );
  if (next && next.waits.length > 0) add('waits', 'draisine why shows the reasons');
  return lines.join('\n');
}

/** The reasons why no update happens, each with the event that ends it. */
export function formatWhy(report: StatusReport): string {
  const { trial, next, updates, lastCheck } = report;
  const lines: string[] = [];
  if (!updates.possible) lines.push(`${updates.reason}.`);
  if (trial)
    lines.push(
      `${report.version} is on trial. It ends when: nothing is missing ${trial.settle} s after the boot or later, or at ${trial.deadline} s.`,
      ...trial.faults.map((fault) => `not yet: ${fault}`),
    );
  if (lastCheck?.result === 'failed')
    lines.push(
      `The last check failed: ${lastCheck.text}. It ends when: the next check (systemctl list-timers draisine-update.timer).`,
    );
  if (next)
    lines.push(
      ...(next.waits.length > 0 ? next.waits.map((wait) => `${describeWait(wait)}.`) : [`${next.text}.`]),
    );
  else if (updates.possible && !trial && !lastCheck)
    lines.push('The channel was not asked yet. It ends when: draisine check.');
  return lines.join('\n');
}

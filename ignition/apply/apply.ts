import { createHash } from 'node:crypto';
import type { PlanDocument } from '../../build/release/format/plan.ts';
import { badInput, describeFailure, Failure } from '../../sdk/lib/errors.ts';
import {
  type Answer,
  BUSY,
  failureOf,
  forHosts,
  mustOnHost,
  NO_CONNECTION,
  nameInKnownHosts,
  onHost,
} from './session.ts';

/** The config to apply to a machine, and the options. */
export interface Wanted {
  /** The compiled config. */
  readonly text: string;
  /** Seconds until a machine reverts the change, unless the change is confirmed. */
  readonly seconds: number;
  readonly keepTheirs: readonly string[];
  readonly takeMine: readonly string[];
  /** The destination of ssh after the change, if the change gives the machine another address. */
  readonly confirmAt?: string | undefined;
}

/** The outcome on one machine. */
export interface Result {
  readonly host: string;
  readonly result: 'applied' | 'nothing to do' | 'went back' | 'failed';
  readonly troubles: readonly string[];
}

/** The path of the config on the box. It is in memory, and only root can read it, because the config contains keys. */
const fileOf = (text: string): string =>
  `/run/draisine/apply-${createHash('sha256').update(text).digest('hex').slice(0, 16)}.json`;

async function upload(host: string, text: string): Promise<string> {
  const file = fileOf(text);
  const script = `umask 077 && mkdir -p /run/draisine && cat >${file}`;
  await mustOnHost(host, 'the config cannot be sent', ['sh', '-c', script], text);
  return file;
}

const choices = ({ keepTheirs, takeMine }: Wanted): string[] => [
  ...keepTheirs.flatMap((path) => ['--keep-theirs', path]),
  ...takeMine.flatMap((path) => ['--take-mine', path]),
];

/** Requires a whole config: `apply` cannot compare parts that a first boot would merge or fetch. */
export function checkWhole(config: object, file: string): void {
  const { ignition } = config as {
    ignition?: { config?: { merge?: unknown[]; replace?: { source?: string } } };
  };
  if ((ignition?.config?.merge?.length ?? 0) === 0 && ignition?.config?.replace?.source === undefined) return;
  throw badInput('the config merges or replaces others, which only a first boot fetches', {
    where: file,
    hint: 'write the parts into one config: typed TypeScript has include for that',
  });
}

/** Asks a machine what a config would change. */
export async function planOn(host: string, wanted: Wanted): Promise<PlanDocument> {
  const file = await upload(host, wanted.text);
  const argv = ['draisine', 'apply', '--plan', '--json', ...choices(wanted), file];
  const said = await mustOnHost(host, 'no plan', argv);
  const plan = parsed(said) as PlanDocument | undefined;
  if (plan) return plan;
  throw new Failure(`the plan cannot be read: ${JSON.stringify(said.slice(0, 80))}`, {
    where: host,
    hint: 'a login shell on the machine must print nothing (.bashrc); if the machine has an older release, update it first',
  });
}

/**
 * Applies a config and confirms it by a new connection. The box does the work in a separate unit, so the work continues
 * if the change breaks the connection.
 */
export async function applyOn(host: string, wanted: Wanted): Promise<Result> {
  const file = await upload(host, wanted.text);
  const id = createHash('sha256').update(`${process.pid} ${Date.now()} ${host}`).digest('hex').slice(0, 12);
  const answer = await onHost(host, [
    ...['systemd-run', '--quiet', '--collect', '--pipe', '--wait', `--unit=draisine-apply-${id}`, '--'],
    ...[
      'draisine',
      'apply',
      '--json',
      '--id',
      id,
      '--within',
      String(wanted.seconds),
      ...choices(wanted),
      file,
    ],
  ]);
  const said = documentOf(answer);
  if (said?.result === 'nothing to do') return { host, result: 'nothing to do', troubles: [] };
  if (said?.result === 'went back') return { host, result: 'went back', troubles: said.troubles };
  if (said === undefined && answer.code !== NO_CONNECTION) throw failureOf(host, 'not applied', answer);
  return await confirmOn(host, id, wanted);
}

const documentOf = ({ stdout }: Answer) =>
  parsed(stdout) as { result: string; troubles: readonly string[] } | undefined;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const pause = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

/**
 * Confirms the change by a new connection, for as long as the box waits for it. The answer of an earlier confirmation
 * may have been lost: the box answers a second one in the same way.
 */
async function confirmOn(host: string, id: string, { seconds, confirmAt }: Wanted): Promise<Result> {
  const end = Date.now() + seconds * 1000;
  const options = confirmAt === undefined ? [] : [`HostKeyAlias=${await nameInKnownHosts(host)}`];
  let last: Answer;
  do {
    last = await onHost(confirmAt ?? host, ['draisine', 'apply', '--confirm', id], undefined, options);
    if (last.code === 0) return { host, result: 'applied', troubles: [] };
    // The box answered that it has no such apply, so it has reverted the change. During a revert it answers that an
    // apply is going on.
    if (last.code !== NO_CONNECTION && last.code !== BUSY) break;
    await pause(2000);
  } while (Date.now() < end);
  const said = last.stderr.trim().split('\n').at(-1);
  const why = last.code === NO_CONNECTION ? `no new connection could be made: ${said}` : last.stderr.trim();
  return {
    host,
    result: 'went back',
    troubles: [`${why}. Without a confirmation, the machine goes back by itself`],
  };
}

/** Does something for each machine. A failure on one machine does not stop the others. */
export async function each<T>(
  hosts: readonly string[],
  work: (host: string) => Promise<T>,
): Promise<readonly { readonly host: string; readonly value?: T; readonly failure?: Failure }[]> {
  return await forHosts(hosts, async (host) => {
    try {
      return { host, value: await work(host) };
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return { host, failure: error };
    }
  });
}

/** A failure as text for the table of results. */
export const failureText = (failure: Failure): string => describeFailure(failure);

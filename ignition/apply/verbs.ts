import type { Command } from 'commander';
import type { PlanDocument } from '../../build/release/format/plan.ts';
import { askPerson } from '../../sdk/lib/ask.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { collect } from '../../sdk/lib/options.ts';
import { configText } from '../load.ts';
import { applyOn, checkWhole, each, failureText, planOn, type Result, type Wanted } from './apply.ts';
import { forHosts } from './session.ts';
import { statusOf, statusTable } from './status.ts';

interface Options {
  readonly plan?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
  readonly confirm: string;
  readonly keepTheirs: readonly string[];
  readonly takeMine: readonly string[];
  readonly confirmAt?: string;
}

type Planned = Awaited<ReturnType<typeof each<PlanDocument>>>[number];

/** Reads a time such as `90`, `90s`, `2m` or `1h`. Returns seconds. */
export function parseSeconds(text: string): number {
  const [, number = '', unit = 's'] = /^(\d+)(s|m|h)?$/.exec(text) ?? [];
  const seconds = Number(number) * ({ s: 1, m: 60, h: 3600 }[unit] ?? 1);
  if (number === '' || seconds < 10 || seconds > 86_400)
    throw badInput(`not a time from ten seconds to a day: ${text}`, {
      where: '--confirm',
      hint: 'write 90s, 2m or 1h',
    });
  return seconds;
}

const COLOURS = { '+': 32, '-': 31, '~': 33, '!': 36 } as const;

function coloured(line: string, { isTTY }: NodeJS.WriteStream): string {
  const colour = COLOURS[line[0] as keyof typeof COLOURS];
  const plain = colour === undefined || process.env.NO_COLOR || !isTTY;
  return plain ? line : `\u001b[${colour}m${line}\u001b[0m`;
}

/** Shows a plan to a person. `to`: stderr if stdout is for a document. */
function show(host: string, plan: PlanDocument, to: NodeJS.WriteStream): void {
  const print = (line: string): void => void to.write(`${line}\n`);
  print(`${host}:`);
  for (const { path, what, conflict } of plan.drift)
    print(`  changed by hand${conflict ? ', and the config changes it as well' : ''}: ${path}: ${what}`);
  for (const { what, hint } of plan.refusals) print(`  refused: ${what}\n    hint: ${hint}`);
  if (plan.changes.length === 0) print('  nothing to do');
  for (const line of plan.changes) print(`  ${coloured(line, to)}`);
  for (const [path, diff] of Object.entries(plan.diffs))
    for (const line of diff.startsWith('---') ? diff.split('\n') : [`${path}: ${diff}`])
      print(`    ${coloured(line, to)}`);
  for (const { what, command } of plan.left) print(`  stays: ${what}; this would remove it: ${command}`);
}

async function askFor(hosts: readonly string[]): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw badInput('there is no terminal for the question', {
      hint: 'add --yes to apply without a question, or --plan to see the changes only',
    });
  return (await askPerson(`Apply this to ${hosts.join(', ')}? Type yes: `)) === 'yes';
}

function printResults(results: readonly Result[]): void {
  const width = Math.max(...results.map(({ host }) => host.length));
  for (const { host, result, troubles } of results) {
    process.stdout.write(`${host.padEnd(width)}  ${result}\n`);
    for (const trouble of troubles) process.stdout.write(`${' '.repeat(width)}  ${trouble}\n`);
  }
}

/** Shows plans and failures. With --json, stdout is for one document, and the question still needs the plans. */
export function showPlans(
  plans: readonly Planned[],
  { json, plan: only }: Pick<Options, 'json' | 'plan'>,
  { stdout, stderr }: { stdout: NodeJS.WriteStream; stderr: NodeJS.WriteStream } = process,
): void {
  for (const { host, value, failure } of plans) {
    if (failure) stderr.write(`${failureText(failure)}\n`);
    if (value && !(json && only)) show(host, value, json ? stderr : stdout);
  }
}

/** Reads the config and the options. Shows the warnings about the config. */
async function readWanted(file: string, hosts: readonly string[], options: Options): Promise<Wanted> {
  const { confirm, confirmAt, keepTheirs, takeMine } = options;
  const seconds = parseSeconds(confirm);
  if (confirmAt !== undefined && hosts.length > 1)
    throw badInput('a new address is of one machine', { where: '--confirm-at', hint: 'name one host' });
  const { text, entries } = await configText(file);
  for (const { kind, path, message } of entries)
    process.stderr.write(`${kind}: ${file}: ${path}: ${message}\n`);
  if (text === undefined)
    throw badInput('Ignition would refuse the config: nothing was sent', { where: file });
  checkWhole(JSON.parse(text) as object, file);
  return { text, seconds, keepTheirs, takeMine, confirmAt };
}

/** Plans, and shows the plans. Undefined if a machine cannot be changed; then no machine is. */
async function planAll(
  hosts: readonly string[],
  wanted: Wanted,
  options: Options,
): Promise<readonly Planned[] | undefined> {
  const plans = await each(hosts, (host) => planOn(host, wanted));
  showPlans(plans, options);
  const stuck = plans.filter(({ value }) => value === undefined || blocked(value)).map(({ host }) => host);
  if (options.json && options.plan)
    process.stdout.write(
      `${JSON.stringify(plans.map(({ host, value, failure }) => ({ host, plan: value, error: failure?.message })))}\n`,
    );
  if (stuck.length === 0) return plans;
  if (options.json && !options.plan) process.stdout.write(`${JSON.stringify(plans.map(unchanged))}\n`);
  process.stderr.write(`nothing was changed: first resolve what is listed above for ${stuck.join(', ')}\n`);
  process.exitCode = 1;
  return undefined;
}

/** Asks the person, unless nothing changes. Whether the shown plans may be applied. */
async function isAgreed(plans: readonly Planned[], wanted: Wanted, options: Options): Promise<boolean> {
  const busy = plans.filter(({ value }) => value && value.changes.length > 0).map(({ host }) => host);
  if (busy.length === 0 || options.yes) return true;
  if (!(await askFor(busy))) return decline(plans, options, 'nobody typed yes: nothing was changed');
  // Another administrator may have changed a machine while this one was thinking.
  const hosts = plans.map(({ host }) => host);
  const others = differing(plans, await each(hosts, (host) => planOn(host, wanted)));
  if (others.length === 0) return true;
  const why = `nothing was changed: the plan is not the one that was shown any more for ${others.join(', ')}; run the command again`;
  return decline(plans, options, why);
}

/** `./draisine apply FILE HOST…`: plan, show, ask, apply, confirm. */
async function applyCommand(file: string, named: readonly string[], options: Options): Promise<void> {
  const hosts = [...new Set(named)];
  const wanted = await readWanted(file, hosts, options);
  const plans = await planAll(hosts, wanted, options);
  if (plans === undefined || options.plan || !(await isAgreed(plans, wanted, options))) return;
  const done = await each(hosts, (host) => applyOn(host, wanted));
  const results = done.map(
    ({ host, value, failure }): Result =>
      value ?? { host, result: 'failed', troubles: failure ? [failure.message] : [] },
  );
  if (options.json) process.stdout.write(`${JSON.stringify(results)}\n`);
  else printResults(results);
  if (results.some(({ result }) => result === 'went back' || result === 'failed')) process.exitCode = 1;
}

/** Ends the command before any machine was changed. Returns false: the plans may not be applied. */
function decline(plans: readonly Planned[], { json }: Options, why: string): false {
  const none = plans.map(({ host }): Result => ({ host, result: 'failed', troubles: [why] }));
  if (json) process.stdout.write(`${JSON.stringify(none)}\n`);
  process.stderr.write(`${why}\n`);
  process.exitCode = 1;
  return false;
}

/** The machines whose second plan differs from the first. */
export function differing(plans: readonly Planned[], again: readonly Planned[]): string[] {
  const text = (plan: Planned | undefined): string => JSON.stringify([plan?.value, plan?.failure?.message]);
  return plans.flatMap((plan, index) => (text(plan) === text(again[index]) ? [] : [plan.host]));
}

/** The result for a machine that was not changed, because its plan or another machine's plan is blocked. */
export function unchanged({ host, value, failure }: Planned): Result {
  const conflicts = value?.drift.filter(({ conflict }) => conflict) ?? [];
  const troubles = [
    ...(failure ? [failure.message] : []),
    ...(value?.refusals.map(({ what, hint }) => `${what}: ${hint}`) ?? []),
    ...conflicts.map(
      ({ path, what }) => `changed by hand, and the config changes it as well: ${path}: ${what}`,
    ),
  ];
  const others = ['nothing was changed, because of another machine'];
  return { host, result: 'failed', troubles: troubles.length > 0 ? troubles : others };
}

const blocked = ({ refusals, drift }: PlanDocument): boolean =>
  refusals.length > 0 || drift.some(({ conflict }) => conflict);

interface StatusOptions {
  readonly json?: boolean;
  readonly watch?: boolean;
}

const WATCH_MS = 10_000;

/** `./draisine status HOST…`. Exit code 1: a machine does not answer, or has a problem. */
async function statusCommand(hosts: readonly string[], { json, watch }: StatusOptions): Promise<void> {
  for (;;) {
    const all = await forHosts([...new Set(hosts)], statusOf);
    process.stdout.write(json ? `${JSON.stringify(all)}\n` : `${statusTable(all)}\n`);
    process.exitCode = all.some(({ error, health }) => error !== undefined || health?.length) ? 1 : 0;
    if (!watch) return;
    await new Promise((done) => setTimeout(done, WATCH_MS));
  }
}

/** Registers `apply` and `status`. */
export function register(program: Command): void {
  program
    .command('status')
    .description('shows the release and the problems of running machines')
    .argument('<host...>', 'destinations of ssh; the user is root unless you name another one')
    .option('--json', 'one JSON document on stdout')
    .option('--watch', 'repeats every ten seconds, until Ctrl-C')
    .action(statusCommand);
  program
    .command('apply')
    .description(
      'changes running machines to a machine config: shows the changes, asks, applies them, and confirms or reverts them',
    )
    .argument('<file>', 'a machine config: TypeScript, Butane or Ignition JSON')
    .argument(
      '<host...>',
      'destinations of ssh, e.g. box, me@box or box:2222; the user is root unless you name another one',
    )
    .option('--plan', 'only show the changes')
    .option('--yes', 'do not ask')
    .option(
      '--confirm <time>',
      'a machine reverts the changes unless a new connection succeeds within this time',
      '2m',
    )
    .option(
      '--confirm-at <host>',
      'destination of ssh after the change, if the change gives the machine another address or port',
    )
    .option(
      '--keep-theirs <path>',
      'keep the change that was made by hand on the machine; repeatable',
      collect,
      [],
    )
    .option(
      '--take-mine <path>',
      'overwrite the change that was made by hand on the machine; repeatable',
      collect,
      [],
    )
    .option('--json', 'one JSON document on stdout')
    .action(applyCommand);
}

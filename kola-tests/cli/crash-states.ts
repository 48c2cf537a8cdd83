import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FLOWS, flowNamed } from '../flows/all.ts';
import { bootStates, checkStatePartitions } from '../harness/crash/boots.ts';
import { watchFiles } from '../harness/crash/files.ts';
import { type Flow, recordFlow, wrongFor } from '../harness/crash/flow.ts';
import { type Recording, type Survey, survey } from '../harness/crash/survey.ts';
import { openLab } from '../harness/machine/lab.ts';
import { qemuTree, toolTree } from '../harness/qemu/tree.ts';
import { seconds } from '../harness/qemu/wait.ts';
import { OUT } from './options.ts';

export interface CrashOptions {
  readonly image: string;
  readonly boot: number;
  readonly list?: boolean;
  readonly json?: boolean;
}

const say = (line: string): void => void process.stderr.write(`kola: ${line}\n`);

/**
 * `kola crash-states FLOW`: what a power cut may leave at every moment of a flow, looked at offline, and a choice of it
 * really booted. Exit code 1: there is a state from which the machine does not come up.
 */
export async function crashStatesOf(name: string | undefined, options: CrashOptions): Promise<number> {
  if (options.list || name === undefined) {
    for (const each of FLOWS) process.stdout.write(`${each.name.padEnd(12)}  ${each.what}\n`);
    return 0;
  }
  const flow = flowNamed(name);
  const lab = await openLab({ image: options.image, out: OUT, toolTree: await qemuTree() });
  const dir = await mkdtemp(join(tmpdir(), 'draisine-crash-'));
  try {
    const { recording, ends, close } = await recordFlow(lab, flow, dir);
    try {
      const { entries } = recording.log;
      const flushes = entries.filter(({ kind }) => kind === 'flush').length;
      say(`${flow.name}: ${entries.length} requests, ${flushes} of them flushes`);
      const found = await surveyAll(flow, { recording, ends }, { boot: options.boot, dir });
      const faults = [
        ...found.faults,
        ...(await checkStatePartitions(lab, recording, some(found.statePartitions), dir)),
        ...(await bootStates(lab, recording, found.toBoot, { dir, said: say, check: flow.files?.comesUp })),
      ];
      report(flow.name, found, { faults, json: options.json });
      return faults.length === 0 ? 0 : 1;
    } finally {
      close();
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

interface Surveyed extends Survey {
  readonly ms: number;
  readonly faults: readonly string[];
  /** Numbers of the states that are really booted. */
  readonly toBoot: readonly number[];
  /** How many different contents the watched files have. */
  readonly contents: number | undefined;
}

/** Looks at every state offline: what boots, and what the watched files of the state partition are. */
async function surveyAll(
  flow: Flow,
  { recording, ends }: { readonly recording: Recording; readonly ends: string },
  { boot, dir }: { readonly boot: number; readonly dir: string },
): Promise<Surveyed> {
  const start = performance.now();
  const { entries } = recording.log;
  const found = survey(recording, {
    wrong: wrongFor(flow, [beginning(recording), ends]),
    sample: boot,
    progress: (states, at) => say(`${states} states, request ${at} of ${entries.length}`),
  });
  const last = found.last.boots === 'release' && found.last.root === ends;
  const faults = [
    ...(last ? [] : ['at the end the disk does not boot the release that it should']),
    ...[...found.wrong].map(
      ([why, { count, first }]) => `${count} states: ${why} (the first: ${first.state}, request ${first.at})`,
    ),
  ];
  const files = await surveyFiles(flow, recording, found, dir);
  return {
    ...found,
    ms: performance.now() - start,
    faults: [...faults, ...(files?.faults ?? [])],
    // One state of each content, before any by chance.
    toBoot: files ? spread(files.firsts, boot) : found.sample,
    contents: files?.firsts.length,
  };
}

async function surveyFiles(
  { files }: Flow,
  recording: Recording,
  { statePartitions }: Survey,
  dir: string,
): Promise<{ faults: string[]; firsts: number[] } | undefined> {
  const [region] = statePartitions.values();
  if (!files || !region) return undefined;
  const { kinds, wrong, first, last } = await watchFiles(recording, {
    region,
    paths: files.paths,
    tools: await toolTree('sdk-fsck'),
    dir,
    progress: (states) => say(`files of ${states} states`),
  });
  const judged = kinds.flatMap((kind) => {
    const why = files.judge(kind.files, { first, last });
    return why === undefined ? [] : [`${kind.count} states: ${why} (the first: ${kind.first})`];
  });
  return { faults: [...wrong.slice(0, 10), ...judged], firsts: kinds.map((kind) => kind.first) };
}

/** So many of a list, from its beginning to its end. */
function spread<T>(all: readonly T[], count: number): readonly T[] {
  const step = Math.max(1, all.length / Math.max(1, count));
  return Array.from({ length: Math.min(count, all.length) }, (_, index) => all[Math.floor(index * step)]!);
}

/** Root hash of what boots before anything was written; empty when nothing does. */
function beginning(recording: Recording): string {
  const { log, from } = recording;
  const none = { ...recording, log: { ...log, entries: log.entries.slice(0, from) } };
  const { last } = survey(none, { wrong: () => undefined });
  return last.boots === 'release' ? last.root : '';
}

/** State partitions that a guest mounts: so many of them, from beginning to end. */
const PARTITIONS = 12;

function some<T>(all: ReadonlyMap<number, T>): ReadonlyMap<number, T> {
  return new Map(spread([...all], PARTITIONS));
}

function report(
  flow: string,
  { states, boots, statePartitions: partitions, toBoot, contents, ms }: Surveyed,
  { faults, json }: { readonly faults: readonly string[]; readonly json: boolean | undefined },
): void {
  if (json) {
    const counts = Object.fromEntries(boots);
    const result = {
      flow,
      states,
      ms: Math.round(ms),
      boots: counts,
      partitions: { found: partitions.size, mounted: some(partitions).size },
      ...(contents === undefined ? {} : { contents }),
      booted: toBoot.length,
      faults,
    };
    process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
    return;
  }
  const counts = [...boots].map(([what, count]) => `${count} boot ${what.slice(0, 12)}`).join(', ');
  process.stdout.write(
    `${flow}: ${states} states in ${seconds(ms)}: ${counts}; ${some(partitions).size} of ${partitions.size} state partitions mounted, ${contents === undefined ? '' : `${contents} different contents of the watched files, `}${toBoot.length} states booted\n`,
  );
  for (const fault of faults) process.stdout.write(`WRONG ${fault}\n`);
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Lab } from '../machine/lab.ts';
import { toolTree } from '../qemu/tree.ts';
import { seconds } from '../qemu/wait.ts';
import { bootStates, checkStatePartitions } from './boots.ts';
import { watchFiles } from './files.ts';
import { type Flow, type Recorded, recordFlow, wrongFor } from './flow.ts';
import { spread } from './sample.ts';
import { type Recording, type Survey, survey } from './survey.ts';

/** The results for a flow. */
export interface FlowFound {
  readonly states: number;
  /** Milliseconds of the survey, without the boots. */
  readonly ms: number;
  /** The number of states that boot each release, by root hash, or `nothing`. */
  readonly boots: ReadonlyMap<string, number>;
  readonly partitions: { readonly found: number; readonly mounted: number };
  /** Number of different contents of the watched files; undefined if the flow watches none. */
  readonly contents: number | undefined;
  /** Number of kinds of states that boot a release. */
  readonly kinds: number;
  /** Number of states from which machines were booted. */
  readonly booted: number;
  /** Faults, one sentence each. Empty if the machine comes up from every state. */
  readonly faults: readonly string[];
}

/**
 * Runs a flow on a fork, checks offline every state that a power cut may leave, mounts some of the state partitions,
 * and boots machines from `boot` of the states.
 */
export async function lookAtFlow(
  lab: Lab,
  flow: Flow,
  { boot, said }: { readonly boot: number; said(line: string): void },
): Promise<FlowFound> {
  const dir = await mkdtemp(join(tmpdir(), `draisine-crash-${process.pid}-`));
  try {
    const { recording, ends, fallback, close } = await recordFlow(lab, flow, dir);
    try {
      const { entries } = recording.log;
      const flushes = entries.filter(({ kind }) => kind === 'flush').length;
      said(`${flow.name}: ${entries.length - recording.from} requests, ${flushes} flushes in the log`);
      const found = await surveyAll(flow, { recording, ends, fallback }, { boot, dir, said });
      const mounted = some(found.statePartitions);
      const faults = [
        ...found.faults,
        ...(await checkStatePartitions(lab, recording, mounted, dir)),
        ...(await bootStates(lab, recording, found.toBoot, { dir, said, flow })),
      ];
      const { states, ms, boots, statePartitions, kinds, contents, toBoot } = found;
      const partitions = { found: statePartitions.size, mounted: mounted.size };
      return { states, ms, boots, partitions, kinds, contents, booted: toBoot.length, faults };
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
  /** Numbers of the states from which machines are booted. */
  readonly toBoot: readonly number[];
  /** Number of different contents of the watched files. */
  readonly contents: number | undefined;
}

/** Checks every state offline: the release that boots, and the watched files of the state partition. */
async function surveyAll(
  flow: Flow,
  { recording, ends, fallback }: Pick<Recorded, 'recording' | 'ends' | 'fallback'>,
  { boot, dir, said }: { readonly boot: number; readonly dir: string; said(line: string): void },
): Promise<Surveyed> {
  const start = performance.now();
  const { entries } = recording.log;
  const found = survey(recording, {
    wrong: wrongFor(flow, [beginning(recording), ends, ...(fallback === undefined ? [] : [fallback])]),
    sample: boot,
    progress: (states, at) => said(`${states} states, request ${at} of ${entries.length}`),
  });
  const last = found.last.boots === 'release' && found.last.root === ends;
  const faults = [
    ...(last ? [] : ['at the end the disk does not boot the release that it should']),
    ...[...found.wrong].map(
      ([why, { count, first }]) => `${count} states: ${why} (the first: ${first.state}, request ${first.at})`,
    ),
  ];
  const files = await surveyFiles(flow, { recording, found }, { dir, said });
  return {
    ...found,
    ms: performance.now() - start,
    faults: [...faults, ...(files?.faults ?? [])],
    toBoot: toBoot(found.sample, files?.firsts ?? [], boot),
    contents: files?.firsts.length,
  };
}

async function surveyFiles(
  { files }: Flow,
  { recording, found }: { readonly recording: Recording; readonly found: Survey },
  { dir, said }: { readonly dir: string; said(line: string): void },
): Promise<{ faults: string[]; firsts: number[] } | undefined> {
  const [region] = found.statePartitions.values();
  if (!files) return undefined;
  if (!region) return { faults: ['no state has a state partition'], firsts: [] };
  const { kinds, wrong, first, last } = await watchFiles(recording, {
    region,
    paths: files.paths,
    tools: await toolTree('sdk-fsck'),
    dir,
    progress: (states, partitions) =>
      said(`files of ${states} states, with ${partitions} different state partitions`),
  });
  const judged = kinds.flatMap((kind) => {
    const why = files.judge(kind.files, { first, last });
    return why === undefined ? [] : [`${kind.count} states: ${why} (the first: ${kind.first})`];
  });
  return { faults: [...wrong.slice(0, 10), ...judged], firsts: kinds.map((kind) => kind.first) };
}

/** One state of each content of the watched files, before any of the sample. */
function toBoot(sample: readonly number[], firsts: readonly number[], boot: number): readonly number[] {
  const contents = firsts.length > 1 ? spread(firsts, boot) : [];
  const others = sample.filter((state) => !contents.includes(state));
  return [...contents, ...spread(others, boot - contents.length)].sort((a, b) => a - b);
}

/** The root hash that boots before the operation; empty if nothing boots. */
function beginning(recording: Recording): string {
  const { log, from } = recording;
  const none = { ...recording, log: { ...log, entries: log.entries.slice(0, from) } };
  const { last } = survey(none, { wrong: () => undefined });
  return last.boots === 'release' ? last.root : '';
}

/** Number of state partitions that a guest mounts. */
const PARTITIONS = 12;

function some<T>(all: ReadonlyMap<number, T>): ReadonlyMap<number, T> {
  return new Map(spread([...all], PARTITIONS));
}

/** The results in one line of text. */
export function describeFound(found: FlowFound): string {
  const { states, ms, boots, partitions, kinds, contents, booted } = found;
  const counts = [...boots].map(([what, count]) => `${count} boot ${what.slice(0, 12)}`).join(', ');
  const watched = contents === undefined ? '' : ` ${contents} different contents of the watched files;`;
  return `${states} states of ${kinds} kinds in ${seconds(ms)}: ${counts};${watched} ${partitions.mounted} of ${partitions.found} state partitions mounted, ${booted} states booted`;
}

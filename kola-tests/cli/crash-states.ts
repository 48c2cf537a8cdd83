import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FLOWS, flowNamed } from '../flows/all.ts';
import { bootStates, checkStatePartitions } from '../harness/crash/boots.ts';
import { recordFlow, wrongFor } from '../harness/crash/flow.ts';
import { type Recording, type Survey, survey } from '../harness/crash/survey.ts';
import { openLab } from '../harness/machine/lab.ts';
import { qemuTree } from '../harness/qemu/tree.ts';
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
      const start = performance.now();
      const found = survey(recording, {
        wrong: wrongFor(flow, [beginning(recording), ends]),
        sample: options.boot,
        progress: (states, at) => say(`${states} states, request ${at} of ${entries.length}`),
      });
      const ms = performance.now() - start;
      const last = found.last.boots === 'release' && found.last.root === ends;
      const faults = [
        ...(last ? [] : ['at the end the disk does not boot the release that it should']),
        ...[...found.wrong].map(
          ([why, { count, first }]) =>
            `${count} states: ${why} (the first: ${first.state}, request ${first.at})`,
        ),
        ...(await checkStatePartitions(lab, recording, some(found.statePartitions), dir)),
        ...(await bootStates(lab, recording, found.sample, { dir, said: say })),
      ];
      report(flow.name, found, { ms, faults, json: options.json });
      return faults.length === 0 ? 0 : 1;
    } finally {
      close();
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Root hash of what boots before anything was written; empty when nothing does. */
function beginning(recording: Recording): string {
  const none = { ...recording, log: { ...recording.log, entries: [] } };
  const { last } = survey(none, { wrong: () => undefined });
  return last.boots === 'release' ? last.root : '';
}

/** State partitions that a guest mounts: so many of them, from beginning to end. */
const PARTITIONS = 12;

function some<T>(all: ReadonlyMap<number, T>): ReadonlyMap<number, T> {
  const entries = [...all];
  const step = Math.max(1, entries.length / PARTITIONS);
  return new Map(
    Array.from(
      { length: Math.min(PARTITIONS, entries.length) },
      (_, index) => entries[Math.floor(index * step)]!,
    ),
  );
}

function report(
  flow: string,
  { states, boots, statePartitions: partitions, sample }: Survey,
  {
    ms,
    faults,
    json,
  }: { readonly ms: number; readonly faults: readonly string[]; readonly json: boolean | undefined },
): void {
  if (json) {
    const counts = Object.fromEntries(boots);
    const result = {
      flow,
      states,
      ms: Math.round(ms),
      boots: counts,
      partitions: { found: partitions.size, mounted: some(partitions).size },
      booted: sample.length,
      faults,
    };
    process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
    return;
  }
  const counts = [...boots].map(([what, count]) => `${count} boot ${what.slice(0, 12)}`).join(', ');
  process.stdout.write(
    `${flow}: ${states} states in ${seconds(ms)}: ${counts}; ${some(partitions).size} of ${partitions.size} state partitions mounted, ${sample.length} states booted\n`,
  );
  for (const fault of faults) process.stdout.write(`WRONG ${fault}\n`);
}

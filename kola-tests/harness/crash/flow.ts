import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../../sdk/lib/errors.ts';
import { runCommand } from '../../../sdk/tool.ts';
import { createCluster, planCluster } from '../machine/cluster.ts';
import type { Lab } from '../machine/lab.ts';
import type { Machine } from '../machine/machine.ts';
import type { DiskFile } from '../qemu/devices.ts';
import { commandLineOf } from '../qemu/direct.ts';
import type { DiskSpec } from '../qemu/parts.ts';
import type { Verdict } from './check.ts';
import type { Files } from './files.ts';
import { logLength, readLog } from './log.ts';
import { BOUNDS, type Bounds } from './order.ts';
import type { Recording } from './survey.ts';

/** An operation that writes to a disk. After a power cut at any moment of it, the machine must come up. */
export interface Flow {
  readonly name: string;
  /** One sentence. */
  readonly what: string;
  /** Disks in addition to the system disk. */
  readonly disks?: readonly DiskSpec[];
  /** The disk that is recorded: one of `disks`, or `system`, for which the machine is turned off and on again. */
  readonly recorded: string;
  /** True if the disk may have nothing to boot, so that the machine boots something else. */
  readonly mayBeEmpty: boolean;
  /** The artifact that must boot after the operation. */
  readonly ends: 'uki' | 'next.uki';
  /**
   * The release that is on the disk during the whole operation, and may boot instead, because a trial falls back to it.
   */
  readonly fallback?: Flow['ends'];
  /** Limits for the number of checked combinations of lost writes. */
  readonly bounds?: Bounds;
  /** Files of the state partition that must all be old or all be new, never a mixture. */
  readonly files?: WatchedFiles;
  /**
   * The rule for partitions other than ESP and slots. `written` (default): they must not move or vanish, but a running
   * system may write to them. `untouched`: their bytes must not change either. `erased`: they may change only when the
   * old release does not boot any more.
   */
  readonly others?: 'written' | 'untouched' | 'erased';
  /** Waits until a machine that came up from a state has finished its automatic work, such as a trial. */
  settles?(box: Machine): Promise<void>;
  /** Fails if a machine that came up from a state is not as it must be. */
  comesUp?(box: Machine): Promise<void>;
  /** Runs the operation. Power cuts happen after `record`, or after the last `mark`. */
  run(box: Machine, recorder: Recorder): Promise<void>;
}

/** The functions that a flow calls to control the recording. */
export interface Recorder {
  /** Begins the recording. The machine is turned off and on again if it runs from the disk. */
  record(): Promise<void>;
  /** Power cuts are possible from now on. Earlier writes are on the disk. */
  mark(): Promise<void>;
}

/** Files that must be correct in each state. */
export interface WatchedFiles {
  readonly paths: readonly string[];
  /**
   * The fault of the files in one state; undefined if they are correct. `first`, `last`: the files before and after the
   * operation.
   */
  judge(files: Files, ends: { readonly first: Files; readonly last: Files }): string | undefined;
}

const BLOCK = 512;

/** The writes of a flow, and the release that must boot after them. */
export interface Recorded {
  readonly recording: Recording;
  /** Root hash of the release that boots at the end. */
  readonly ends: string;
  /** The fallback's root hash, if the flow has one. */
  readonly fallback: string | undefined;
  close(): void;
}

/** Runs a flow on a fork, and records its writes. Files go to `dir`. */
export async function recordFlow(lab: Lab, flow: Flow, dir: string): Promise<Recorded> {
  const machines = { box: { disks: flow.disks ?? [] } };
  const cluster = await createCluster(lab, planCluster({ name: `crash.${flow.name}`, machines }));
  const [base, log] = [join(dir, 'base.raw'), join(dir, 'log')];
  const ends = await rootHashOf(lab, flow.ends);
  const fallback = flow.fallback && (await rootHashOf(lab, flow.fallback));
  try {
    const { box } = cluster.machines;
    if (!box) throw new Failure(`${flow.name} has no machine`);
    const [{ systemSize, disks }, { recorded }] = [box.plan, flow];
    const size = recorded === 'system' ? systemSize : disks.find(({ name }) => name === recorded)?.size;
    if (size === undefined) throw new Failure(`${flow.name} has no blank disk ${recorded}`);
    await cluster.start();
    let from = 0;
    await flow.run(box, {
      record: async () => await record(lab, box, { recorded, base, log }),
      mark: async () => {
        await box.succeed('sync');
        from = requestsIn(log);
      },
    });
    if (!existsSync(log)) throw new Failure(`${flow.name} recorded nothing`);
    await box.succeed('sync');
    await box.crash();
    const [baseFd, logFd] = [openSync(base, 'r'), openSync(log, 'r')];
    return {
      recording: {
        base: { fd: baseFd, size: size * 2 ** 20 },
        log: readLog(logFd, log),
        logFd,
        block: BLOCK,
        from,
        bounds: flow.bounds ?? BOUNDS,
      },
      ends,
      fallback,
      close: () => {
        closeSync(baseFd);
        closeSync(logFd);
      },
    };
  } finally {
    await cluster.dispose();
  }
}

function requestsIn(log: string): number {
  const fd = openSync(log, 'r');
  try {
    return logLength(fd, log);
  } finally {
    closeSync(fd);
  }
}

async function rootHashOf(lab: Lab, uki: Flow['ends']): Promise<string> {
  const words = await commandLineOf((await lab.image.get(uki)).path);
  const root = /(?:^|\s)usrhash=([0-9a-f]{64})(?:\s|$)/.exec(words)?.[1];
  if (!root) throw new Failure(`${uki} has no usrhash=`);
  return root;
}

/** Unplugs the disk, copies its content, and plugs it in again with its writes recorded. */
async function record(
  lab: Lab,
  box: Machine,
  { recorded, base, log }: { readonly recorded: string; readonly base: string; readonly log: string },
): Promise<void> {
  const system = recorded === 'system';
  await (system ? box.poweroff() : box.unplug(recorded));
  const from = `json:${JSON.stringify(nodeOf(box.diskFile(recorded)))}`;
  await runCommand(lab.emulator.img(['convert', '-q', '-O', 'raw', from, base]), 'qemu-img');
  await box.record(recorded, log);
  await (system ? box.start() : box.plug(recorded));
}

/** The backing file in a file's header may be out of date. */
function nodeOf({ path, format, backing }: DiskFile): object {
  const file = { driver: 'file', filename: path };
  return { driver: format, file, ...(backing ? { backing: nodeOf(backing) } : {}) };
}

/**
 * Returns a function that finds the fault of a verdict; undefined: there is none. A verdict is right if one of
 * `releases` boots (the first is the old release), or nothing boots and that is allowed, and if the other partitions
 * obey `Flow.others`. Call it in the order of the states.
 */
export function wrongFor(
  { mayBeEmpty, others = 'written' }: Pick<Flow, 'mayBeEmpty' | 'others'>,
  releases: readonly string[],
): (verdict: Verdict) => string | undefined {
  let first: Verdict | undefined;
  return (verdict) => {
    first ??= verdict;
    if (verdict.boots === 'broken') return verdict.why;
    if (verdict.boots === 'nothing') return mayBeEmpty ? undefined : `nothing boots: ${verdict.why}`;
    if (!releases.includes(verdict.root)) return `${verdict.file} is none of the releases`;
    if (first.boots !== 'release' || (others === 'erased' && verdict.root !== releases[0])) return undefined;
    if (verdict.others !== first.others) return `partitions are lost or moved: ${verdict.others}`;
    if (others === 'written' || verdict.content === first.content) return undefined;
    return 'a partition that must not be touched is written';
  };
}

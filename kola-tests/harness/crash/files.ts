import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../../sdk/lib/errors.ts';
import { ContentKeys } from './content.ts';
import type { CrashDisk, Region } from './disk.ts';
import type { CrashState } from './order.ts';
import { PartitionFile } from './partition.ts';
import { type Files, Reader } from './reader.ts';
import { type Recording, statesOf } from './survey.ts';

export type { Files } from './reader.ts';

/** States with the same files. */
export interface SameFiles {
  readonly files: Files;
  /** Number of states with these files, and the number of the first of them. */
  readonly count: number;
  readonly first: number;
}

/** The watched files in the possible states after a power cut. */
export interface FilesFound {
  readonly states: number;
  /** Number of different state partitions. Each was read once. */
  readonly partitions: number;
  readonly kinds: readonly SameFiles[];
  readonly first: Files;
  readonly last: Files;
  /** States whose file system is damaged after the replay of its journal. */
  readonly wrong: readonly string[];
}

/** The watched files, and the tools for reading them. */
interface Watch {
  readonly region: Region;
  readonly paths: readonly string[];
  /** Root of a tool tree with e2fsprogs. */
  readonly tools: string;
  readonly dir: string;
}

/** Number of state partitions that are read at the same time. */
const AT_ONCE = 2;

/**
 * Reads the watched files of the state partition in each state of a recording. As in a boot, `e2fsck -p` replays the
 * journal. `e2fsck -fn` checks the file system, and debugfs(8) reads the files. If several states have the same bytes
 * in the state partition, one of them is read.
 */
export async function watchFiles(
  recording: Recording,
  { progress, ...watch }: Watch & { progress?(states: number, partitions: number): void },
): Promise<FilesFound> {
  const keys = new ContentKeys(recording, watch.region);
  const lookers = await Promise.all(
    Array.from({ length: AT_ONCE }, (_, index) => Looker.make(recording, watch, `partition-${index}`)),
  );
  const byKey = new Map<string, Promise<Looked>>();
  const states: Promise<Looked>[] = [];
  try {
    for (const { disk, state } of statesOf(recording)) {
      for (const looker of lookers) looker.partition.note(state);
      const key = keys.keyOf(disk);
      let looked = byKey.get(key);
      if (!looked) {
        const looker = await Promise.race(lookers.map(async (each) => await each.free()));
        looked = looker.look(disk, state);
        byKey.set(key, looked);
      }
      states.push(looked);
      if (states.length % 1000 === 0) progress?.(states.length, byKey.size);
    }
    return { ...sorted(await Promise.all(states)), partitions: byKey.size };
  } finally {
    await Promise.allSettled(byKey.values());
    for (const { partition } of lookers) partition.close();
  }
}

/** The watched files and the faults of a state partition. */
interface Looked {
  readonly files: Files;
  readonly wrong: readonly string[];
}

/** Reads one state partition after the other, in its own file. */
class Looker {
  readonly partition: PartitionFile;
  readonly #reader: Reader;
  #busy: Promise<unknown> = Promise.resolve();

  private constructor(partition: PartitionFile, reader: Reader) {
    this.partition = partition;
    this.#reader = reader;
  }

  static async make(recording: Recording, { region, paths, tools, dir }: Watch, name: string) {
    const own = join(dir, name);
    await mkdir(own, { recursive: true });
    const partition = new PartitionFile(recording, region, join(own, 'partition.raw'));
    return new Looker(partition, await Reader.make(tools, own, paths));
  }

  /** Resolves to itself when it has nothing to do. */
  async free(): Promise<this> {
    await this.#busy;
    return this;
  }

  /** Reads the current state of the disk. The disk may change as soon as the call returns. */
  look(disk: CrashDisk, state: CrashState): Promise<Looked> {
    this.partition.bring(disk, state);
    const looked = this.#look();
    // `free` never rejects, because the error belongs to the state.
    this.#busy = looked.catch(() => undefined);
    return looked;
  }

  async #look(): Promise<Looked> {
    const wrong: string[] = [];
    const files = await this.#reader.filesOf(this.partition.path, {
      wrong: (why) => void wrong.push(why),
      stale: () => this.partition.close(),
    });
    return { files, wrong };
  }
}

/** Groups states by their files, in the order of the first state of each group. */
function sorted(states: readonly Looked[]): Omit<FilesFound, 'partitions'> {
  const kinds = new Map<string, { files: Files; count: number; first: number }>();
  const wrong = new Map<Looked, readonly string[]>();
  for (const [number, looked] of states.entries()) {
    const text = JSON.stringify([...looked.files]);
    const kind = kinds.get(text) ?? { files: looked.files, count: 0, first: number };
    kind.count += 1;
    kinds.set(text, kind);
    if (!wrong.has(looked)) wrong.set(looked, told(looked, number));
  }
  const [first, last] = [states[0], states.at(-1)];
  if (!first || !last) throw new Failure('the recording has no state');
  return {
    ...{ states: states.length, kinds: [...kinds.values()], wrong: [...wrong.values()].flat() },
    ...{ first: first.files, last: last.files },
  };
}

const told = ({ wrong }: Looked, state: number): string[] => wrong.map((why) => `state ${state}: ${why}`);

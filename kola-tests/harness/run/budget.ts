import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { badInput } from '../../../sdk/lib/errors.ts';
import type { Acceleration } from '../qemu/accel.ts';
import { Trouble } from '../qemu/trouble.ts';

/** Lets in as many tests as memory and processors allow. */
export interface Budget {
  /** All memory in MiB, and the number of tests at the same time. */
  readonly memory: number;
  readonly slots: number;
  /**
   * Waits for `memory` MiB and a slot (no slot for a test that mostly waits). Returns the function that releases them.
   * First come, first served. `short` is called with the milliseconds for which a slot was free and memory was not.
   */
  acquire(memory: number, slots?: 0 | 1, short?: (ms: number) => void): Promise<() => void>;
}

interface Waiting {
  readonly memory: number;
  readonly slots: number;
  /** The time since which only memory is missing. */
  shortSince?: number;
  admit(): void;
}

/** Makes a budget of memory (MiB) and slots. */
export function createBudget(memory: number, slots: number): Budget {
  let free = memory;
  let freeSlots = slots;
  const queue: Waiting[] = [];

  function admit(): void {
    for (let head = queue[0]; head && freeSlots >= head.slots; head = queue[0]) {
      if (head.memory > free) {
        head.shortSince ??= performance.now();
        return;
      }
      queue.shift();
      free -= head.memory;
      freeSlots -= head.slots;
      head.admit();
    }
  }

  return {
    memory,
    slots,
    acquire: async (wanted, wantedSlots = 1, short = () => {}) => {
      if (wanted > memory) {
        throw new Trouble(`too little memory: this test needs ${wanted} MiB, ${memory} MiB are available`, {
          hint: 'end other programs, or give the machines of the test less memory',
        });
      }
      const entry: Waiting = { memory: wanted, slots: wantedSlots, admit: () => {} };
      await new Promise<void>((resolve) => {
        entry.admit = resolve;
        queue.push(entry);
        admit();
      });
      if (entry.shortSince !== undefined) short(performance.now() - entry.shortSince);
      let given = false;
      return () => {
        if (given) return;
        given = true;
        free += wanted;
        freeSlots += wantedSlots;
        admit();
      };
    },
  };
}

/** The budget of this host. `parallel` sets the number of tests; memory limits it as well. */
export async function hostBudget(parallel: number | undefined): Promise<Budget> {
  if (parallel !== undefined && (!Number.isSafeInteger(parallel) || parallel < 1)) {
    throw badInput(`--parallel takes a whole number from 1: ${parallel}`);
  }
  const info = await readFile('/proc/meminfo', 'utf8');
  const available = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(info)?.[1] ?? 0) / 1024;
  // The limit of a container, which /proc/meminfo does not show. 0, or more than the memory, means no limit.
  const allowed = (process.constrainedMemory() ?? 0) / 1024 ** 2;
  const usable = allowed > 0 ? Math.min(available, allowed) : available;
  // A tenth is left to the page cache, which holds the memory of snapshots.
  return createBudget(Math.floor(usable * 0.9), parallel ?? availableParallelism());
}

/** MiB of this host that machines need. */
export function memoryNeed(machines: readonly { readonly memory: number }[], accel: Acceleration): number {
  return machines.reduce((sum, { memory }) => sum + memory + accel.overhead, 0);
}

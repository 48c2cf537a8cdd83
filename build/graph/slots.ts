/**
 * A slot for each recipe that may run at the same time. First come, first served, but `urgent` requests come
 * before all others.
 */
export interface Slots {
  acquire(urgent: boolean): Promise<void>;
  release(): void;
  /** Number of recipes that run or wait. */
  load(): number;
}

/** Number of slots. A recipe that must not wait may take one more. */
export function makeSlots(count: number): Slots {
  let free = count;
  const urgentQueue: (() => void)[] = [];
  const queue: (() => void)[] = [];
  return {
    acquire: async (urgent) => {
      if (free > 0) {
        free--;
        return;
      }
      await new Promise<void>((resolve) => (urgent ? urgentQueue : queue).push(resolve));
    },
    release: () => {
      const next = urgentQueue.shift() ?? queue.shift();
      if (next) next();
      else free++;
    },
    load: () => count - free + urgentQueue.length + queue.length,
  };
}

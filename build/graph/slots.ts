/** A place for each recipe that may run at the same time; who comes first is served first, `urgent` ones before. */
export interface Slots {
  acquire(urgent: boolean): Promise<void>;
  release(): void;
  /** How many run or want to. */
  load(): number;
}

/** So many may hold a slot at once; whoever must not wait may take one more. */
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

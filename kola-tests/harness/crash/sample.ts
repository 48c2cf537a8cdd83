/** The states of one kind, in the order in which they were seen. */
export interface Kind {
  count: number;
  readonly first: number;
  last: number;
  /** A random choice of the states of this kind, each with the same probability. */
  readonly some: number[];
}

/** Chooses states so that each kind of them has its turn before any kind has its second. */
export class Sample {
  readonly #room: number;
  readonly #random: () => number;
  readonly #kinds = new Map<string, Kind>();

  /** `room`: the number of states to choose. `random`: numbers from 0 up to 1. */
  constructor(room: number, random: () => number) {
    this.#room = room;
    this.#random = random;
  }

  /** The number of kinds so far. */
  get kinds(): number {
    return this.#kinds.size;
  }

  /** Notes a state by its number. Numbers ascend. */
  add(kind: string, state: number): void {
    const known = this.#kinds.get(kind) ?? { count: 0, first: state, last: state, some: [] };
    this.#kinds.set(kind, known);
    known.count += 1;
    known.last = state;
    // Vitter's algorithm R.
    const place = known.some.length < this.#room ? known.some.length : this.#below(known.count);
    if (place < this.#room) known.some[place] = state;
  }

  /**
   * The chosen states, ascending. The choice has first a random state of each kind, then the first and the last of each
   * kind, which are the boundaries between kinds, then others. If there are too many kinds, the chosen kinds are spread
   * from the beginning to the end.
   */
  chosen(): number[] {
    const kinds = spread([...this.#kinds.values()], this.#room);
    const chosen = new Set<number>();
    const rounds = [
      ...[({ some }: Kind) => some[0], ({ first }: Kind) => first, ({ last }: Kind) => last],
      ...Array.from({ length: this.#room }, (_, round) => (kind: Kind) => kind.some[round]),
    ];
    for (const round of rounds)
      for (const kind of kinds) {
        const state = round(kind);
        if (state !== undefined && chosen.size < this.#room) chosen.add(state);
      }
    return [...chosen].sort((a, b) => a - b);
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count);
  }
}

/** Chooses a number of items that are spread from the beginning to the end of a list. */
export function spread<T>(all: readonly T[], count: number): readonly T[] {
  const step = Math.max(1, all.length / Math.max(1, count));
  return Array.from({ length: Math.min(count, all.length) }, (_, index) => all[Math.floor(index * step)]!);
}

import { BLOCK, HASH, type Leaves } from './tree.ts';

/** A run of blocks that the running /usr has: its place in the running image, and in the new image. */
export interface Copy {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** A run of blocks of the new image to fetch. */
export interface Fetch {
  readonly at: number;
  readonly count: number;
}

/** The plan for filling a slot: every block is copied or fetched once. */
export interface Plan {
  readonly copies: readonly Copy[];
  readonly fetches: readonly Fetch[];
}

/** A copied gap between two fetches costs a request. Up to 16 KiB it is cheaper to fetch the gap. */
const GAP = 16_384 / BLOCK;
/** The bytes of a request, at most: a broken connection loses that much. */
export const BATCH = 4 << 20;
const LONGEST = BATCH / BLOCK;
const MOST_RANGES = 256;

/** A number that distinguishes most hashes. Equal numbers need a comparison of the whole hashes. */
function keyOf(view: DataView, block: number): number {
  return view.getUint32(block * HASH) * 65_536 + view.getUint16(block * HASH + 4);
}

function same(a: Leaves, blockA: number, b: Leaves, blockB: number): boolean {
  for (let byte = 0; byte < HASH; byte++)
    if (a.hashes[blockA * HASH + byte] !== b.hashes[blockB * HASH + byte]) return false;
  return true;
}

const viewOf = ({ hashes }: Leaves) => new DataView(hashes.buffer, hashes.byteOffset, hashes.byteLength);

/** The place of each block of `next` in `old`; -1: none. The block after the last match is tried first. */
function sources(old: Leaves, next: Leaves): Int32Array {
  const found = new Int32Array(next.blocks).fill(-1);
  if (old.salt !== next.salt) return found;
  const [oldView, nextView] = [viewOf(old), viewOf(next)];
  const index = new Map<number, number>();
  for (let block = old.blocks - 1; block >= 0; block--) index.set(keyOf(oldView, block), block);
  for (let block = 0; block < next.blocks; block++) {
    const following = block > 0 && found[block - 1]! >= 0 ? found[block - 1]! + 1 : block;
    if (following < old.blocks && same(old, following, next, block)) {
      found[block] = following;
      continue;
    }
    const candidate = index.get(keyOf(nextView, block));
    if (candidate !== undefined && same(old, candidate, next, block)) found[block] = candidate;
  }
  return found;
}

/** Compares the leaves of two images. Without `old`, everything is fetched. */
export function planCopies(old: Leaves | undefined, next: Leaves): Plan {
  const found = old ? sources(old, next) : new Int32Array(next.blocks).fill(-1);
  fillGaps(found);
  const copies: Copy[] = [];
  const fetches: Fetch[] = [];
  for (let block = 0; block < next.blocks; ) {
    const from = found[block]!;
    let count = 1;
    if (from < 0) {
      while (count < LONGEST && block + count < next.blocks && found[block + count]! < 0) count++;
      fetches.push({ at: block, count });
    } else {
      while (block + count < next.blocks && found[block + count] === from + count) count++;
      copies.push({ from, to: block, count });
    }
    block += count;
  }
  return { copies, fetches };
}

/** A short run of known blocks between unknown ones counts as unknown. */
function fillGaps(found: Int32Array): void {
  let lastUnknown = -1;
  for (let block = 0; block < found.length; block++) {
    if (found[block]! >= 0) continue;
    if (lastUnknown >= 0 && block - lastUnknown - 1 <= GAP) found.fill(-1, lastUnknown + 1, block);
    lastUnknown = block;
  }
}

/** Total bytes of some runs of blocks. */
export function bytesOf(runs: readonly { readonly count: number }[]): number {
  return runs.reduce((sum, { count }) => sum + count, 0) * BLOCK;
}

/** Groups ranges into requests with a limited size and number of ranges. `bytes`: of a range. */
export function batchesOf<T>(ranges: readonly T[], bytes: (range: T) => number): T[][] {
  const batches: T[][] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const range of ranges) {
    if (size + bytes(range) > BATCH || batches.at(-1)!.length === MOST_RANGES) {
      batches.push([]);
      size = 0;
    }
    batches.at(-1)!.push(range);
    size += bytes(range);
  }
  return batches;
}

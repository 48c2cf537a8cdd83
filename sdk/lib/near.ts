import { byteOrder } from './files.ts';

/**
 * Makes the hint for a name that does not exist: similar names, else all names if they are few, else `otherwise`, which
 * says where the list is.
 */
export function nearNames(
  wanted: string,
  names: Iterable<string>,
  otherwise = 'see `./draisine graph`',
): string {
  const all = [...new Set(names)];
  if (all.length === 0) return 'there are none yet';
  return didYouMean(wanted, all, all.length <= 20 ? `there are: ${all.join(', ')}` : otherwise);
}

/** The same as `nearNames`, for too many names to list more than the similar ones. */
export function didYouMean(wanted: string, names: Iterable<string>, otherwise = 'correct the name'): string {
  const near = nearest(wanted, names);
  return near.length > 0 ? `did you mean ${near.join(', ')}?` : otherwise;
}

/**
 * At most five similar names, the most similar first. A name is similar if it contains `wanted`, or differs by few
 * edits: one edit if `wanted` is short, else one for each three letters, at least two.
 */
function nearest(wanted: string, names: Iterable<string>): string[] {
  const scored = new Map<string, number>();
  for (const name of names) {
    const longer = Math.abs(name.length - wanted.length);
    const limit = wanted.length > 4 ? Math.max(2, Math.floor(Math.max(name.length, wanted.length) / 3)) : 1;
    if (wanted !== '' && name.includes(wanted)) scored.set(name, 1 + longer / 100);
    else if (longer <= limit) {
      const distance = editDistance(wanted, name);
      if (distance <= limit) scored.set(name, distance);
    }
  }
  return [...scored]
    .sort(([a, x], [b, y]) => x - y || byteOrder(a, b))
    .slice(0, 5)
    .map(([name]) => name);
}

/**
 * The number of insertions, deletions, replacements and swaps of neighbours that change one text into the other
 * (optimal string alignment).
 */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swapped ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      next.push(Math.min(replaced, swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    [before, row] = [row, next];
  }
  return row[b.length] ?? 0;
}

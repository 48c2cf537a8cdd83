import { byteOrder } from '../../sdk/lib/files.ts';

/**
 * Advice for a name that does not exist: the names that look like it, else all if they are few, else `otherwise`: where
 * the list of them is.
 */
export function nearNames(
  wanted: string,
  names: Iterable<string>,
  otherwise = 'see `./draisine graph`',
): string {
  const all = [...new Set(names)];
  const ranked = all
    .map((name) => ({
      name,
      distance: wanted !== '' && name.includes(wanted) ? 1 : editDistance(wanted, name),
    }))
    .filter(
      ({ name, distance }) => distance <= Math.max(2, Math.floor(Math.max(name.length, wanted.length) / 3)),
    )
    .sort((a, b) => a.distance - b.distance || byteOrder(a.name, b.name))
    .slice(0, 5)
    .map(({ name }) => name);
  if (ranked.length > 0) return `did you mean ${ranked.join(', ')}?`;
  if (all.length === 0) return 'there are none yet';
  return all.length <= 20 ? `there are: ${all.join(', ')}` : otherwise;
}

/** Levenshtein distance: insertions, deletions and replacements that lead from one to the other. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

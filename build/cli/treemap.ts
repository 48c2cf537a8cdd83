/** A rectangle; units are the caller's. */
export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Divides a rectangle in parts with areas in the proportion of `sizes` (largest first, all above 0), keeping them
 * as square as it can: rows are filled along the shorter side while that makes the worst of them squarer
 * (Bruls, Huizing, van Wijk: Squarified Treemaps, 2000).
 */
export function squarify(sizes: readonly number[], within: Rect): Rect[] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const scale = total > 0 ? (within.width * within.height) / total : 0;
  const rects: Rect[] = [];
  let rest = within;
  for (let from = 0; from < sizes.length; ) {
    const side = Math.min(rest.width, rest.height);
    let to = from + 1;
    let area = (sizes[from] ?? 0) * scale;
    while (to < sizes.length) {
      const more = area + (sizes[to] ?? 0) * scale;
      const first = (sizes[from] ?? 0) * scale;
      if (
        worst(first, (sizes[to] ?? 0) * scale, more, side) >
        worst(first, (sizes[to - 1] ?? 0) * scale, area, side)
      )
        break;
      area = more;
      to++;
    }
    const depth = side > 0 ? area / side : 0;
    const along = rest.width >= rest.height ? 'y' : 'x';
    let at = 0;
    for (const size of sizes.slice(from, to)) {
      const length = depth > 0 ? (size * scale) / depth : 0;
      rects.push(
        along === 'y'
          ? { x: rest.x, y: rest.y + at, width: depth, height: length }
          : { x: rest.x + at, y: rest.y, width: length, height: depth },
      );
      at += length;
    }
    rest =
      along === 'y'
        ? { ...rest, x: rest.x + depth, width: Math.max(0, rest.width - depth) }
        : { ...rest, y: rest.y + depth, height: Math.max(0, rest.height - depth) };
    from = to;
  }
  return rects;
}

/** The worst ratio of sides in a row of total `area` along `side`, given its largest and smallest part. */
function worst(largest: number, smallest: number, area: number, side: number): number {
  const square = side * side;
  return Math.max((square * largest) / (area * area), (area * area) / (square * smallest));
}

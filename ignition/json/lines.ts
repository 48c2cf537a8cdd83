/** 1-based line and column of a place in a config. */
export interface LineColumn {
  readonly line: number;
  readonly column: number;
}

/** Lines and columns of many offsets in one pass over the bytes. Columns count bytes, as Ignition's do. The result is in the order of `offsets`. */
export function lineColumns(bytes: Uint8Array, offsets: readonly number[]): LineColumn[] {
  const order = offsets.map((_, index) => index).sort((a, b) => (offsets[a] ?? 0) - (offsets[b] ?? 0));
  const result: LineColumn[] = new Array(offsets.length);
  let line = 1;
  let lineStart = 0;
  let next = bytes.indexOf(0x0a);
  for (const index of order) {
    const offset = Math.min(offsets[index] ?? 0, bytes.length);
    while (next !== -1 && next < offset) {
      line++;
      lineStart = next + 1;
      next = bytes.indexOf(0x0a, lineStart);
    }
    result[index] = { line, column: offset - lineStart + 1 };
  }
  return result;
}

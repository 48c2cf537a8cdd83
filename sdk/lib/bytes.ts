/** Formats a size: `1234567` → `1.2 MB` (powers of 1000). Below 1 kB it is in bytes. */
export function formatBytes(bytes: number): string {
  const sign = bytes < 0 ? '-' : '';
  const size = Math.abs(bytes);
  if (size < 1000) return `${sign}${size} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = size / 1000;
  let unit = 0;
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${sign}${value.toFixed(1)} ${units[unit]}`;
}

/** Formats a difference of sizes: `+1.2 MB`, `-3 B`, `±0`. */
export function formatDelta(bytes: number): string {
  return bytes === 0 ? '±0' : `${bytes > 0 ? '+' : ''}${formatBytes(bytes)}`;
}

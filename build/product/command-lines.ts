/**
 * Compares two kernel command lines. `from`: removed words. `to`: added words. If only the order changed, both are the
 * whole lines.
 */
export function changedWords(from: string, to: string): { readonly from: string; readonly to: string } {
  const [gone, come] = [without(from, to), without(to, from)];
  return gone.length + come.length === 0
    ? { from, to }
    : { from: gone.join(' ') || 'nothing', to: come.join(' ') || 'nothing' };
}

/** The words of a line that the other line lacks, or has less often. */
function without(line: string, other: string): string[] {
  const left = other.split(' ');
  return line.split(' ').filter((word) => {
    const at = left.indexOf(word);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

import type { Report } from './measures.ts';

/** Pictures of a simulated year: for a terminal, and as SVG. */

const BARS = [...' ▁▂▃▄▅▆▇█'];

/** Values as a line of bars; `most` is the value of a full bar. */
export function bars(
  values: readonly number[],
  width: number,
  most = Math.max(...values, Number.MIN_VALUE),
): string {
  return Array.from({ length: width }, (_, column) => {
    const from = Math.floor((column * values.length) / width);
    const to = Math.max(from + 1, Math.floor(((column + 1) * values.length) / width));
    const value = Math.max(0, ...values.slice(from, to));
    return BARS[Math.ceil((value / most) * (BARS.length - 1))] ?? ' ';
  }).join('');
}

/** The age of the boxes' releases: shares by day of boxes with the newest one, and 1, 2 or more behind. */
function agesByDay({ running }: Report, versions: readonly string[]): number[][] {
  return running.map((counts) => {
    const newest = Math.max(-1, ...[...counts.keys()].map((version) => versions.indexOf(version)));
    const shares = [0, 0, 0, 0];
    let total = 0;
    for (const [version, count] of counts) {
      const age = Math.min(3, newest - versions.indexOf(version));
      shares[age]! += count;
      total += count;
    }
    return shares.map((count) => count / Math.max(1, total));
  });
}

function versionsOf({ running }: Report): string[] {
  return [...new Set(running.flatMap((counts) => [...counts.keys()]))];
}

/** The year in five lines of bars: bytes by hour, and the age of the boxes' releases by day. */
export function terminalPlot(report: Report, width = 96): string {
  const ages = agesByDay(report, versionsOf(report));
  const names = ['newest', 'one behind', 'two behind', 'more'];
  const rows = names.map(
    (name, age) =>
      `${name.padEnd(11)} ${bars(
        ages.map((day) => day[age] ?? 0),
        width,
        1,
      )}`,
  );
  return `${'bytes'.padEnd(11)} ${bars(report.hours, width)}  by hour, at most ${(report.peakHour / 1e6).toFixed(2)} MB/s\n${rows.join('\n')}\n`;
}

const COLOURS = ['#2a7f62', '#7bb661', '#e0b13c', '#b5483a'];

/** Two charts of the year: bytes a second by hour, and the age of the boxes' releases. */
export function svgPlot(report: Report): string {
  const [width, height, left, gap] = [1000, 200, 60, 40];
  const x = (share: number) => (left + share * (width - left - 10)).toFixed(1);
  const most = Math.max(report.peakHour, 1);
  const load = report.hours
    .map((bytes, hour) => {
      const y = 20 + height - (bytes / 3600 / most) * height;
      return `${x(hour / report.hours.length)},${y.toFixed(1)}`;
    })
    .join(' ');
  const ages = agesByDay(report, versionsOf(report));
  const top = 20 + height + gap;
  const areas = COLOURS.map((colour, age) => {
    const edge = (from: number) =>
      ages.map((day, index) => {
        const share = day.slice(0, from).reduce((sum, each) => sum + each, 0);
        return `${x(index / Math.max(1, ages.length - 1))},${(top + share * height).toFixed(1)}`;
      });
    return `<polygon fill="${colour}" points="${[...edge(age), ...edge(age + 1).reverse()].join(' ')}"/>`;
  });
  const text = (at: string, y: number, content: string) =>
    `<text x="${at}" y="${y}" font-family="sans-serif" font-size="12">${content}</text>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top + height + 30}">`,
    text(
      x(0),
      14,
      `${report.boxes} boxes, ${report.days} days: bytes a second by hour, at most ${(most / 1e6).toFixed(2)} MB/s`,
    ),
    `<polyline fill="none" stroke="#1f4e79" points="${load}"/>`,
    text(x(0), top - 6, 'what boxes run: the newest release, one, two, more behind'),
    ...areas,
    '</svg>',
    '',
  ].join('\n');
}

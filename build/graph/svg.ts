import { makeGraph } from './graph.ts';
import type { Target } from './target.ts';
import { type Group, groupGraph } from './view.ts';

interface Box {
  readonly group: Group;
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

const CHAR = 7.3; // advance of the 12 px monospace font
const HEIGHT = 26;
const GAP_X = 70;
const GAP_Y = 14;
const MARGIN = 20;
const SWEEPS = 8;

/** The graph as one SVG: a column for each level, what needs nothing on the left; many targets alike are one box. */
export function graphSvg(targets: readonly Target[]): string {
  const groups = groupGraph(makeGraph(targets));
  const boxes = place(orderColumns(columnsOf(groups)));
  const all = [...boxes.values()];
  const width = Math.max(...all.map((box) => box.x + box.width), 0) + MARGIN;
  const height = Math.max(...all.map((box) => box.y + HEIGHT), 0) + MARGIN;
  const edges = all.flatMap((box) => box.group.needs.map((need) => edge(boxes.get(need) as Box, box)));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${round(width)}" height="${round(height)}" viewBox="0 0 ${round(width)} ${round(height)}">`,
    '<style>',
    'text{font:12px ui-monospace,monospace;fill:#1a1a1a}',
    'rect{fill:#eef3fb;stroke:#4a6fa5}rect.fetch{fill:#f3f3ee;stroke:#8a8a6a}rect.many{stroke-width:3}',
    'path{fill:none;stroke:#9aa5b5}',
    '@media(prefers-color-scheme:dark){text{fill:#eee}rect{fill:#1d2a3d}rect.fetch{fill:#2b2b24}path{stroke:#6b7686}}',
    '</style>',
    ...edges,
    ...all.map(drawBox),
    '</svg>\n',
  ].join('\n');
}

function columnsOf(groups: readonly Group[]): Group[][] {
  const columns: Group[][] = [];
  for (const group of groups) {
    columns[group.level] ??= [];
    columns[group.level]?.push(group);
  }
  return columns;
}

/** Sorts each column by the mean position of its neighbours, to and fro, which takes most crossings away. */
function orderColumns(columns: Group[][]): Group[][] {
  const users = new Map<Group, Group[]>();
  for (const group of columns.flat()) {
    for (const need of group.needs) users.set(need, [...(users.get(need) ?? []), group]);
  }
  const position = new Map<Group, number>();
  const number = (column: Group[]): void => {
    for (const [index, group] of column.entries()) position.set(group, index / column.length);
  };
  for (const column of columns) number(column);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const forward = sweep % 2 === 0;
    for (const column of forward ? columns : [...columns].reverse()) {
      const mean = new Map(
        column.map((group) => [
          group,
          meanOf(forward ? group.needs : (users.get(group) ?? []), position, group),
        ]),
      );
      column.sort((a, b) => (mean.get(a) ?? 0) - (mean.get(b) ?? 0));
      number(column);
    }
  }
  return columns;
}

function meanOf(neighbours: readonly Group[], position: ReadonlyMap<Group, number>, self: Group): number {
  if (neighbours.length === 0) return position.get(self) ?? 0;
  return neighbours.reduce((sum, group) => sum + (position.get(group) ?? 0), 0) / neighbours.length;
}

function place(columns: readonly Group[][]): Map<Group, Box> {
  const boxes = new Map<Group, Box>();
  const tallest = Math.max(0, ...columns.map((column) => column.length));
  let x = MARGIN;
  for (const column of columns) {
    const width = Math.max(...column.map((group) => group.label.length * CHAR + 16));
    const top = MARGIN + ((tallest - column.length) * (HEIGHT + GAP_Y)) / 2;
    for (const [index, group] of column.entries())
      boxes.set(group, { group, x, y: top + index * (HEIGHT + GAP_Y), width });
    x += width + GAP_X;
  }
  return boxes;
}

function edge(from: Box, to: Box): string {
  const [x1, y1] = [from.x + from.width, from.y + HEIGHT / 2];
  const [x2, y2] = [to.x, to.y + HEIGHT / 2];
  const bend = (x2 - x1) / 2;
  return `<path d="M${round(x1)} ${round(y1)}C${round(x1 + bend)} ${round(y1)} ${round(x2 - bend)} ${round(y2)} ${round(x2)} ${round(y2)}"/>`;
}

function drawBox({ group, x, y, width }: Box): string {
  const style = [group.fetch ? 'fetch' : '', group.count > 1 ? 'many' : '']
    .filter((name) => name !== '')
    .join(' ');
  return (
    `<rect${style === '' ? '' : ` class="${style}"`} x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${HEIGHT}" rx="4"/>` +
    `<text x="${round(x + 8)}" y="${round(y + 17)}">${escapeXml(group.label)}</text>`
  );
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

export function escapeXml(text: string): string {
  const names: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (sign) => names[sign] ?? sign);
}

import { type HierarchyRectangularNode, hierarchy, treemap, treemapSquarify } from 'd3-hierarchy';
import { formatBytes } from '../../sdk/lib/bytes.ts';
import { xml } from '../../sdk/lib/xml.ts';
import type { Area, SizeReport } from './size-report.ts';

const WIDTH = 1200;
const HEIGHT = 700;
const HEADER = 16;
/** Minimum sizes of rectangles with a label and with parts. Rectangles below one pixel are left out. */
const LABEL_WIDTH = 36;
const LABEL_HEIGHT = 14;
const PARTS_SIDE = 24;
const CHAR = 6.2;

/** A self-contained page: a treemap by package, one by folder, and the tables. */
export function sizeHtml(title: string, report: SizeReport, byOrigin: Area, byFolder: Area): string {
  const views = [
    { id: 'packages', label: 'by package', area: byOrigin },
    { id: 'folders', label: 'by folder', area: byFolder },
  ];
  return [
    '<!DOCTYPE html>',
    `<html lang="en"><head><meta charset="utf-8"><title>${xml(title)}: size</title>`,
    `<style>${STYLE}</style></head><body>`,
    `<h1>${xml(title)}: ${formatBytes(report.total)} before compression</h1>`,
    ...views.map(
      ({ id }, index) => `<input type="radio" name="view" id="${id}"${index === 0 ? ' checked' : ''}>`,
    ),
    `<nav>${views.map(({ id, label }) => `<label for="${id}">${label}</label>`).join('')}</nav>`,
    ...views.map(
      ({ id, area }) => `<svg class="${id}" viewBox="0 0 ${WIDTH} ${HEIGHT}">${drawAll(area)}</svg>`,
    ),
    table(
      'Artifacts',
      ['artifact', 'size'],
      report.artifacts.map(({ name, size }) => [name, formatBytes(size)]),
    ),
    table(
      'Brought by',
      ['origin', 'files', 'size'],
      report.origins.map(({ origin, files, bytes }) => [origin, `${files}`, formatBytes(bytes)]),
    ),
    table(
      'Removed',
      ['reason', 'entries', 'size'],
      report.trims.map(({ reason, count, bytes }) => [reason, `${count}`, formatBytes(bytes)]),
    ),
    '</body></html>\n',
  ].join('\n');
}

const STYLE = [
  'body{font:14px system-ui,sans-serif;margin:1.5rem;max-width:1240px}h1{font-size:1.3rem}',
  'input[name=view]{position:absolute;opacity:0}nav label{display:inline-block;padding:.3rem .8rem;border:1px solid #888;cursor:pointer}',
  '#packages:checked~nav label[for=packages],#folders:checked~nav label[for=folders]{background:#4a6fa5;color:#fff}',
  'input:focus-visible~nav{outline:2px solid #4a6fa5}',
  'svg{display:none;width:100%;margin:.5rem 0}#packages:checked~svg.packages,#folders:checked~svg.folders{display:block}',
  'svg text{font:10px ui-monospace,monospace;fill:#111;pointer-events:none}rect{stroke:#fff;stroke-width:.7}',
  'table{border-collapse:collapse;margin:1rem 0}td,th{padding:.15rem .8rem .15rem 0;text-align:left}td+td,th+th{text-align:right}',
].join('');

type Node = HierarchyRectangularNode<Area>;

/** A treemap as the contents of an SVG. */
function drawAll(area: Area): string {
  const root = hierarchy(area, ({ parts }) => parts)
    .sum(({ bytes, parts }) => (parts.length === 0 ? bytes : 0))
    .sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
  const layout = treemap<Area>()
    .tile(treemapSquarify.ratio(1))
    .size([WIDTH, HEIGHT])
    .paddingInner(0)
    .paddingOuter((node) => (node.depth === 0 ? 0 : 1))
    .paddingTop((node) => (node.depth === 0 ? 0 : HEADER));
  // Neighbouring hues differ by the golden angle; the parts of an area keep its hue.
  return (layout(root).children ?? [])
    .map((child, index) => draw(child, '', Math.round((index * 137.508) % 360)))
    .join('');
}

function draw(node: Node, prefix: string, hue: number): string {
  const { data, x0, y0, x1, y1, depth, children = [] } = node;
  const [width, height] = [x1 - x0, y1 - y0];
  if (width < 1 || height < 1) return '';
  const name = prefix === '' ? data.name : `${prefix}/${data.name}`;
  const box = `<rect x="${px(x0)}" y="${px(y0)}" width="${px(width)}" height="${px(height)}" fill="hsl(${hue} 55% ${depth === 1 ? 72 : 82}%)"><title>${xml(name)}: ${formatBytes(data.bytes)}</title></rect>`;
  const roomy = width >= PARTS_SIDE && height >= PARTS_SIDE + HEADER;
  const areFiles =
    children.every((child) => !child.children) && children.some((child) => child.data.name.includes('/'));
  const parts = roomy ? children.map((child) => draw(child, areFiles ? '' : name, hue)) : [];
  return box + label(data.name, node) + parts.join('');
}

function label(name: string, { x0, y0, x1, y1 }: Node): string {
  const [width, height] = [x1 - x0, y1 - y0];
  if (width < LABEL_WIDTH || height < LABEL_HEIGHT) return '';
  const room = Math.floor((width - 6) / CHAR);
  const text = name.length <= room ? name : `${name.slice(0, Math.max(0, room - 1))}…`;
  return `<text x="${px(x0 + 3)}" y="${px(y0 + 11)}">${xml(text)}</text>`;
}

function table(caption: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const line = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${xml(cell)}</${tag}>`).join('')}</tr>`;
  return `<h2>${caption}</h2><table>${line(head, 'th')}${rows.map((row) => line(row, 'td')).join('')}</table>`;
}

function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}

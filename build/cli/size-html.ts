import { escapeXml } from '../graph/svg.ts';
import type { Area, SizeReport } from './size-report.ts';
import { formatBytes } from './table.ts';
import { type Rect, squarify } from './treemap.ts';

const WIDTH = 1200;
const HEIGHT = 700;
const HEADER = 16;
/** Smaller rectangles get no label, still smaller ones no parts, and what is less than a pixel is left out. */
const LABEL_WIDTH = 36;
const LABEL_HEIGHT = 14;
const PARTS_SIDE = 24;
const CHAR = 6.2;

/** One page that needs nothing else: a treemap by package and one by folder, and the tables. */
export function sizeHtml(title: string, report: SizeReport, byOrigin: Area, byFolder: Area): string {
  const views = [
    { id: 'packages', label: 'by package', area: byOrigin },
    { id: 'folders', label: 'by folder', area: byFolder },
  ];
  return [
    '<!DOCTYPE html>',
    `<html lang="en"><head><meta charset="utf-8"><title>${escapeXml(title)}: size</title>`,
    `<style>${STYLE}</style></head><body>`,
    `<h1>${escapeXml(title)}: ${formatBytes(report.total)} before compression</h1>`,
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

function drawAll(area: Area): string {
  return draw(area.parts, { x: 0, y: 0, width: WIDTH, height: HEIGHT }, '', undefined);
}

function draw(areas: readonly Area[], within: Rect, prefix: string, hue: number | undefined): string {
  const shown = areas.filter(({ bytes }) => bytes > 0);
  const rects = squarify(
    shown.map(({ bytes }) => bytes),
    within,
  );
  return shown
    .map((area, index) => {
      const rect = rects[index] as Rect;
      if (rect.width < 1 || rect.height < 1) return '';
      // Neighbouring hues differ by the golden angle; the parts of an area keep its hue.
      const own = hue ?? Math.round((index * 137.508) % 360);
      const name = prefix === '' ? area.name : `${prefix}/${area.name}`;
      const box = `<rect x="${px(rect.x)}" y="${px(rect.y)}" width="${px(rect.width)}" height="${px(rect.height)}" fill="hsl(${own} 55% ${hue === undefined ? 72 : 82}%)"><title>${escapeXml(name)}: ${formatBytes(area.bytes)}</title></rect>`;
      return box + label(area.name, rect) + drawParts(area, rect, name, own);
    })
    .join('');
}

function drawParts(area: Area, rect: Rect, name: string, hue: number): string {
  if (area.parts.length === 0 || rect.width < PARTS_SIDE || rect.height < PARTS_SIDE + HEADER) return '';
  const inner = {
    x: rect.x + 1,
    y: rect.y + HEADER,
    width: rect.width - 2,
    height: rect.height - HEADER - 1,
  };
  const isFile =
    area.parts.every(({ parts }) => parts.length === 0) && area.parts.some((part) => part.name.includes('/'));
  return draw(area.parts, inner, isFile ? '' : name, hue);
}

function label(name: string, { x, y, width, height }: Rect): string {
  if (width < LABEL_WIDTH || height < LABEL_HEIGHT) return '';
  const room = Math.floor((width - 6) / CHAR);
  const text = name.length <= room ? name : `${name.slice(0, Math.max(0, room - 1))}…`;
  return `<text x="${px(x + 3)}" y="${px(y + 11)}">${escapeXml(text)}</text>`;
}

function table(caption: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const line = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeXml(cell)}</${tag}>`).join('')}</tr>`;
  return `<h2>${caption}</h2><table>${line(head, 'th')}${rows.map((row) => line(row, 'td')).join('')}</table>`;
}

function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}

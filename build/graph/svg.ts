import { makeGraph } from './graph.ts';
import type { Target } from './target.ts';
import { groupGraph } from './view.ts';

const STYLE = [
  'text{font-family:ui-monospace,monospace;fill:#1a1a1a}',
  '.node path{fill:#eef3fb;stroke:#4a6fa5}.fetch path{fill:#f3f3ee;stroke:#8a8a6a}.many path{stroke-width:3}',
  '.edge path{stroke:#9aa5b5}',
  '@media(prefers-color-scheme:dark){text{fill:#eee}.node path{fill:#1d2a3d}.fetch path{fill:#2b2b24}.edge path{stroke:#6b7686}}',
].join('');

/**
 * The graph as one SVG, drawn by Graphviz. Targets without inputs are on the left; many similar targets are
 * one box.
 */
export async function graphSvg(targets: readonly Target[]): Promise<string> {
  const groups = groupGraph(makeGraph(targets));
  const names = new Map(groups.map((group, index) => [group, `g${index}`]));
  const nameOf = (group: (typeof groups)[number]) => names.get(group) ?? '';
  const { instance } = await import('@viz-js/viz');
  const svg = (await instance()).renderString(
    {
      graphAttributes: { rankdir: 'LR', bgcolor: 'transparent', ranksep: 0.7, nodesep: 0.15 },
      nodeAttributes: { shape: 'box', style: 'rounded', fontname: 'Courier', fontsize: 12, height: 0.3 },
      edgeAttributes: { arrowhead: 'none' },
      nodes: groups.map((group) => {
        const classes = [...(group.fetch ? ['fetch'] : []), ...(group.count > 1 ? ['many'] : [])];
        return { name: nameOf(group), attributes: { label: group.label, class: classes.join(' ') } };
      }),
      edges: groups.flatMap((group) =>
        group.needs.map((need) => ({ tail: nameOf(need), head: nameOf(group) })),
      ),
    },
    { format: 'svg' },
  );
  const drawn = svg.slice(svg.indexOf('<svg')).replace(/<title>.*<\/title>\n/g, '');
  return drawn.replace(/>\s*<g /, `>\n<style>${STYLE}</style>\n<g `);
}

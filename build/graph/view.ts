import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { type Graph, makeGraph, type Node } from './graph.ts';
import type { OutputKind, Target } from './target.ts';

/** The document of `graph --json`. */
export interface GraphDocument {
  readonly targets: readonly {
    readonly name: string;
    readonly kind: OutputKind;
    /** Module of the recipe, as a path from the checkout. */
    readonly recipe: string;
    readonly fetch: boolean;
    /** Targets that it needs, by the name of the input. */
    readonly needs: Readonly<Record<string, readonly string[]>>;
    /** Files and folders of the checkout that it reads, by the name of the input. */
    readonly sources: Readonly<Record<string, string>>;
  }[];
}

/** All targets below these, with their inputs by name. */
export function graphDocument(targets: readonly Target[]): GraphDocument {
  return {
    targets: makeGraph(targets).nodes.map((node) => {
      const needs: Record<string, string[]> = {};
      const sources: Record<string, string> = {};
      for (const [name, input] of node.inputs) {
        if (input.type === 'target') needs[name] = [input.node.name];
        if (input.type === 'targets') needs[name] = input.nodes.map((item) => item.name);
        if (input.type === 'source') sources[name] = input.source;
      }
      const { kind, from, fetch } = node.target.recipe;
      return {
        name: node.name,
        kind,
        recipe: relative(CHECKOUT, fileURLToPath(from)),
        fetch,
        needs,
        sources,
      };
    }),
  };
}

/** A node of the picture: one target, or many similar ones. */
export interface Group {
  /** `n100:usr`, or `deb:* (178)`. */
  readonly label: string;
  readonly count: number;
  /** 0 for a target without inputs; otherwise one more than the highest level of its inputs. */
  readonly level: number;
  readonly fetch: boolean;
  /** Groups that it needs. All of them have a lower level, so the picture has no cycle. */
  readonly needs: readonly Group[];
}

/** From this number on, targets of one recipe, name prefix and level are drawn as one. */
const ALIKE = 4;

/** The picture of a graph: targets without inputs first, and many similar targets as one. */
export function groupGraph(graph: Graph): readonly Group[] {
  const levels = new Map<Node, number>();
  const buckets = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    const level = Math.max(-1, ...node.needs.map((need) => levels.get(need) ?? 0)) + 1;
    levels.set(node, level);
    const { from, index } = node.target.recipe;
    const bucket = JSON.stringify([prefixOf(node.name), from, index, level]);
    buckets.set(bucket, [...(buckets.get(bucket) ?? []), node]);
  }
  const parts = [...buckets.values()].flatMap((nodes) =>
    nodes.length < ALIKE ? nodes.map((node) => [node]) : [nodes],
  );
  const byLevel = parts
    .map((nodes) => ({ nodes, level: levels.get(nodes[0] as Node) ?? 0 }))
    .sort((a, b) => a.level - b.level);
  const groups = new Map<Node, Group>();
  for (const { nodes, level } of byLevel) {
    const needs = new Set(nodes.flatMap((node) => node.needs.map((need) => groups.get(need) as Group)));
    const [first] = nodes as [Node];
    const label = nodes.length === 1 ? first.name : `${prefixOf(first.name)}* (${nodes.length})`;
    const group: Group = {
      label,
      count: nodes.length,
      level,
      fetch: first.target.recipe.fetch,
      needs: [...needs],
    };
    for (const node of nodes) groups.set(node, group);
  }
  return [...new Set(graph.nodes.map((node) => groups.get(node) as Group))];
}

/** The graph as a text tree: the inputs of a target are below it. A target that was shown before ends in `…`. */
export function textTree(targets: readonly Target[]): string {
  const graph = makeGraph(targets);
  const groups = groupGraph(graph);
  const needed = new Set(groups.flatMap((group) => group.needs));
  const lines: string[] = [];
  const shown = new Set<Group>();
  const show = (group: Group, lead: string, branch: string, below: string): void => {
    const again = shown.has(group) && group.needs.length > 0;
    lines.push(`${lead}${branch}${group.label}${again ? ' …' : ''}`);
    if (shown.has(group)) return;
    shown.add(group);
    group.needs.forEach((need, index) => {
      const last = index === group.needs.length - 1;
      show(need, lead + below, last ? '└─ ' : '├─ ', last ? '   ' : '│  ');
    });
  };
  for (const group of groups) if (!needed.has(group)) show(group, '', '', '');
  return `${lines.join('\n')}\n`;
}

/** `deb:bash` → `deb:`; a name without a colon is its own prefix. */
function prefixOf(name: string): string {
  return name.slice(0, name.indexOf(':') + 1) || name;
}

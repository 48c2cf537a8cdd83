import { badInput } from '../../sdk/lib/errors.ts';
import { canonicalJson } from '../../sdk/lib/files.ts';
import { type Input, isSource, isTarget, type Target, type Value } from './target.ts';

/** An input, sorted by its kind. */
export type Sorted =
  | { readonly type: 'target'; readonly node: Node }
  | { readonly type: 'targets'; readonly nodes: readonly Node[] }
  | { readonly type: 'source'; readonly source: string }
  | { readonly type: 'value'; readonly value: Value };

/** A target whose inputs are resolved to nodes. There is one for each name. */
export interface Node {
  readonly name: string;
  readonly target: Target;
  readonly inputs: ReadonlyMap<string, Sorted>;
  /** The targets among the inputs, without repetition, in order of appearance. */
  readonly needs: readonly Node[];
}

/** All nodes of a build. */
export interface Graph {
  /** Every node, after all nodes that it needs. */
  readonly nodes: readonly Node[];
  readonly byName: ReadonlyMap<string, Node>;
}

/**
 * All nodes that `roots` need, in a possible order of building. Two equal targets with one name are one node.
 * @throws if a target needs itself, if two different targets have one name, or if an input is not plain data
 */
export function makeGraph(roots: readonly Target[]): Graph {
  const byName = new Map<string, Node>();
  const byTarget = new Map<Target, Node>();
  const nodes: Node[] = [];
  const path: Target[] = [];
  const onPath = new Set<Target>();

  const visit = (target: Target): Node => {
    const known = byTarget.get(target);
    if (known) return known;
    if (onPath.has(target)) throw cycle(path, target);
    path.push(target);
    onPath.add(target);
    const made = makeNode(target, visit);
    path.pop();
    onPath.delete(target);
    const namesake = byName.get(target.name);
    if (namesake) assertSame(namesake, made);
    const node = namesake ?? made;
    byTarget.set(target, node);
    if (!namesake) {
      byName.set(node.name, node);
      nodes.push(node);
    }
    return node;
  };
  for (const root of roots) visit(root);
  return { nodes, byName };
}

/** All nodes that a node needs, directly or not, without itself. */
export function allNeeds(node: Node): Set<Node> {
  const found = new Set<Node>();
  const queue = [...node.needs];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    queue.push(...next.needs);
  }
  return found;
}

function makeNode(target: Target, visit: (target: Target) => Node): Node {
  const inputs = new Map<string, Sorted>();
  const needs = new Set<Node>();
  for (const [name, input] of Object.entries(target.inputs)) {
    const sorted = sortInput(target, name, input, visit);
    inputs.set(name, sorted);
    if (sorted.type === 'target') needs.add(sorted.node);
    if (sorted.type === 'targets') for (const node of sorted.nodes) needs.add(node);
  }
  return { name: target.name, target, inputs, needs: [...needs] };
}

function sortInput(target: Target, name: string, input: Input, visit: (target: Target) => Node): Sorted {
  if (isTarget(input)) return { type: 'target', node: visit(input) };
  if (Array.isArray(input) && input.length > 0 && input.every(isTarget))
    return { type: 'targets', nodes: input.map(visit) };
  if (isSource(input)) return { type: 'source', source: input.source };
  assertPlain(input, () => `${target.name}: input "${name}"`, '');
  return { type: 'value', value: input as Value };
}

function assertPlain(value: unknown, what: () => string, path: string): void {
  const wrong = (why: string) => badInput(`${what()} ${why}`, path === '' ? {} : { where: path });
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return;
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw wrong(`is ${value}, which JSON cannot hold`);
  } else if (isTarget(value)) {
    throw wrong(
      'holds a target inside plain data; targets must be an input of their own, or a list of only targets',
    );
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) assertPlain(item, what, `${path}[${index}]`);
  } else if (typeof value === 'object' && [Object.prototype, null].includes(Object.getPrototypeOf(value))) {
    for (const [key, item] of Object.entries(value)) assertPlain(item, what, `${path}.${key}`);
  } else {
    const type = typeof value === 'object' ? (value.constructor?.name ?? 'object') : typeof value;
    throw wrong(`must be a target, a source or plain data, but is of type ${type}`);
  }
}

function assertSame(first: Node, second: Node): void {
  if (first.target.recipe !== second.target.recipe) throw duplicate(first.name, 'by different recipes');
  const names = new Set([...first.inputs.keys(), ...second.inputs.keys()]);
  for (const name of names) {
    if (fingerprint(first.inputs.get(name)) !== fingerprint(second.inputs.get(name))) {
      throw duplicate(first.name, `with a different input "${name}"`);
    }
  }
}

/** Equal for equal inputs. Targets count by name, because a name is one node. */
function fingerprint(input: Sorted | undefined): string {
  if (input === undefined) return '';
  if (input.type === 'target') return `target ${input.node.name}`;
  if (input.type === 'targets') return `targets ${input.nodes.map((node) => node.name).join(' ')}`;
  return input.type === 'source' ? `source ${input.source}` : `value ${canonicalJson(input.value)}`;
}

function duplicate(name: string, how: string): Error {
  return badInput(`two targets are named ${name}, made ${how}`, { hint: 'give one of them another name' });
}

function cycle(path: readonly Target[], target: Target): Error {
  const names = [...path.slice(path.indexOf(target)), target].map(({ name }) => name);
  return badInput(`${target.name} needs itself: ${names.join(' → ')}`, {
    hint: 'remove one of these inputs',
  });
}

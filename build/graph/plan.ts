import { reasonsFor, wasBuilt } from './explain.ts';
import { loadFacts } from './facts.ts';
import { makeGraph, type Node } from './graph.ts';
import { type Action, actionOf, type KeyReader, keyReader } from './key.ts';
import { type ActionRecord, checkOutput, readRecord } from './record.ts';
import { openStore, type Store } from './store.ts';
import type { Target } from './target.ts';

/** A target that a build would run. */
export interface Planned {
  readonly name: string;
  /** `false`: it runs only if the output of an input changes. */
  readonly certain: boolean;
  readonly reasons: readonly string[];
}

type State =
  | { readonly known: true; readonly action: Action; readonly record: ActionRecord }
  | { readonly known: false };

/** The targets that `runBuild` would run, in the order of the graph. Runs and changes nothing. */
export async function planBuild(
  targets: readonly Target[],
  options: { readonly rebuild?: boolean; readonly store?: Store; readonly keys?: KeyReader } = {},
): Promise<readonly Planned[]> {
  const store = options.store ?? openStore();
  const { nodes, byName } = makeGraph(targets);
  const keys = options.keys ?? keyReader(loadFacts(store));
  const states = new Map<Node, State>();
  const planned = new Map<Node, Planned>();
  for (const node of nodes) {
    const force = (options.rebuild ?? false) && !node.target.recipe.fetch;
    const { state, plan } = judge(store, keys, node, states, force);
    states.set(node, state);
    if (plan) planned.set(node, plan);
  }
  // A running target needs the outputs of its inputs in the store. So this goes from the wanted targets
  // backwards.
  const wanted = new Set<Node | undefined>(targets.map(({ name }) => byName.get(name)));
  for (const node of [...nodes].reverse()) {
    const state = states.get(node);
    if (wanted.has(node) && !planned.has(node) && state?.known) {
      if (await checkOutput(store, state.action.key, state.record)) continue;
      planned.set(node, { name: node.name, certain: true, reasons: ['output missing from the store'] });
    }
    if (planned.has(node)) for (const need of node.needs) wanted.add(need);
  }
  return nodes.flatMap((node) => planned.get(node) ?? []);
}

function judge(
  store: Store,
  keys: KeyReader,
  node: Node,
  states: ReadonlyMap<Node, State>,
  force: boolean,
): { state: State; plan?: Planned } {
  const { name } = node;
  const open = node.needs.filter((need) => !states.get(need)?.known);
  if (open.length > 0) {
    const which = open.map((need) => need.name);
    const shown =
      which.length > 3 ? `${which.slice(0, 3).join(', ')} and ${which.length - 3} more` : which.join(', ');
    const plan = wasBuilt(store, name)
      ? { name, certain: force, reasons: [`needs what runs: ${shown}`] }
      : { name, certain: true, reasons: ['never built here'] };
    return { state: { known: false }, plan };
  }
  const action = actionOf(keys, node, (need) => {
    const state = states.get(need);
    if (!state?.known) throw new Error(`${need.name} is not known yet`);
    return state.record;
  });
  const record = readRecord(store, action, false);
  if (record && !force) return { state: { known: true, action, record } };
  const otherwise = force ? 'asked for by --rebuild' : 'its record is missing from the store';
  const reasons = reasonsFor(store, node, action, otherwise);
  return { state: { known: false }, plan: { name, certain: true, reasons } };
}

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { byteOrder, canonicalJson, type Sha256, sha256 } from '../../sdk/lib/files.ts';
import { noted } from '../../sdk/lib/json.ts';
import type { Code } from './code.ts';
import type { Node, Sorted } from './graph.ts';
import type { Action, InputDigest } from './key.ts';
import { putFile, type Store } from './store.ts';

/** The inputs from which a target was last made, kept to explain later changes. */
interface Last {
  readonly key: Sha256;
  readonly code: Sha256;
  readonly inputs: Readonly<Record<string, LastInput>>;
}

interface LastInput {
  readonly type: string;
  readonly digest: string;
  /** Of a list of targets: `[name, digest]`. */
  readonly items?: readonly (readonly [string, string])[];
  /** Plain data, if it is short. */
  readonly text?: string;
}

const MAX_TEXT = 60;
const MAX_NAMES = 4;

/** Stores the inputs from which a target was made. */
export async function writeLast(store: Store, node: Node, { key, code, inputs }: Action): Promise<void> {
  const last: Last = {
    key,
    code: code.digest,
    inputs: Object.fromEntries(counted(node, inputs).map(([name, ...input]) => [name, lastInput(...input)])),
  };
  const listing = join(store.root, 'codes', code.digest);
  if (!existsSync(listing)) await putFile(store, listing, JSON.stringify(code.parts));
  await putFile(store, lastPath(store, node.name), JSON.stringify(last));
}

/** Whether this store has ever had a target with this name. */
export function wasBuilt(store: Store, name: string): boolean {
  return existsSync(lastPath(store, name));
}

/**
 * The reasons why a target runs, one a line: the inputs that changed since it was last made here. If none
 * changed, the reason is `otherwise`.
 */
export function reasonsFor(store: Store, node: Node, action: Action, otherwise: string): string[] {
  const last = noted(lastPath(store, node.name));
  if (!isLast(last)) return ['never built here'];
  if (last.key === action.key) return [otherwise];
  const reasons: string[] = [];
  if (last.code !== action.code.digest) reasons.push(codeReason(store, last.code, action.code));
  const inputs = new Map(
    counted(node, action.inputs).map(([name, sorted, digest]) => [name, { sorted, digest }]),
  );
  for (const name of [...new Set([...Object.keys(last.inputs), ...inputs.keys()])].sort(byteOrder)) {
    const before = last.inputs[name];
    const input = inputs.get(name);
    if (!input) reasons.push(`input "${name}" is gone`);
    else if (!before) reasons.push(`input "${name}" is new${nameOf(input.sorted)}`);
    else {
      const { sorted, digest } = input;
      const after = lastInput(sorted, digest);
      if (before.digest !== after.digest || before.type !== after.type)
        reasons.push(inputReason(name, sorted, before, after));
    }
  }
  return reasons.length > 0 ? reasons : ['the format of keys changed'];
}

function inputReason(name: string, sorted: Sorted, before: LastInput, after: LastInput): string {
  const said = `input "${name}" changed`;
  if (before.items && after.items) return `${said} (${itemsReason(before.items, after.items)})`;
  if (before.text !== undefined && after.text !== undefined) return `${said}: ${before.text} → ${after.text}`;
  return `${said}${nameOf(sorted)}`;
}

function itemsReason(
  before: readonly (readonly [string, string])[],
  after: readonly (readonly [string, string])[],
): string {
  const old = new Map(before);
  const now = new Map(after);
  const changes = [
    ...after.filter(([name]) => !old.has(name)).map(([name]) => `+${name}`),
    ...before.filter(([name]) => !now.has(name)).map(([name]) => `-${name}`),
    ...after.filter(([name, digest]) => old.has(name) && old.get(name) !== digest).map(([name]) => name),
  ];
  return changes.length === 0 ? 'their order' : shorten(changes);
}

function codeReason(store: Store, last: Sha256, code: Code): string {
  const before = noted(join(store.root, 'codes', last));
  if (before === undefined) return 'code changed';
  const names = [...new Set([...Object.keys(before), ...Object.keys(code.parts)])].sort(byteOrder);
  const changed = names.filter((name) => before[name] !== code.parts[name]);
  return changed.length === 0
    ? 'the position of the recipe in its module changed'
    : `code changed: ${shorten(changed)}`;
}

function shorten(names: readonly string[]): string {
  const more = names.length - MAX_NAMES;
  return `${names.slice(0, MAX_NAMES).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function nameOf(sorted: Sorted): string {
  if (sorted.type === 'target') return ` (${sorted.node.name})`;
  return sorted.type === 'source' ? ` (${sorted.source})` : '';
}

/** The inputs that count, each with its digest. */
function counted(node: Node, digests: Action['inputs']): [string, Sorted, InputDigest][] {
  return [...node.inputs].flatMap(([name, sorted]): [string, Sorted, InputDigest][] => {
    const digest = digests[name];
    return digest === undefined ? [] : [[name, sorted, digest]];
  });
}

function lastInput(sorted: Sorted, digest: InputDigest): LastInput {
  if (sorted.type === 'targets' && digest.type === 'targets') {
    const items = sorted.nodes.map((node, index) => [node.name, digest.digests[index] ?? ''] as const);
    return { type: 'targets', digest: sha256(digest.digests.join('\n')), items };
  }
  if (digest.type === 'targets') throw new Error('the digest of a list for an input that is none');
  const text = sorted.type === 'value' ? canonicalJson(sorted.value) : undefined;
  return text !== undefined && text.length <= MAX_TEXT ? { ...digest, text } : digest;
}

/** Names of targets may contain characters that file names cannot. */
/** The record of the last time that a target was made here. */
export function lastPath(store: Store, name: string): string {
  return join(store.root, 'last', sha256(name));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isLast(value: unknown): value is Last {
  if (!isObject(value) || !isObject(value.inputs)) return false;
  return Object.values(value.inputs).every((input) => {
    if (!isObject(input) || typeof input.digest !== 'string') return false;
    const { items = [] } = input;
    return Array.isArray(items) && items.every((item) => Array.isArray(item));
  });
}

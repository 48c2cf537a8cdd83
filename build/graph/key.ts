import { canonicalJson, type Sha256, sha256 } from '../../sdk/lib/files.ts';
import { type Code, type CodeReader, codeOf, codeReader } from './code.ts';
import type { Facts } from './facts.ts';
import type { Node, Sorted } from './graph.ts';
import { sourceDigest } from './source.ts';
import { isDigest } from './store.ts';
import type { OutputKind, Recipe } from './target.ts';

/**
 * Increase this number when the graph passes other things to recipes for the same inputs, or stores outputs
 * in another way. It changes every key. For folders it is 2 since their digest is that of their content.
 */
const FORMATS: Readonly<Record<OutputKind, number>> = { file: 1, dir: 2 };

/** Stands for the code in the key of a download: pinned bytes do not depend on the code that fetches them. */
const FETCH: Code = { digest: sha256('fetch'), parts: {} };

/** The relevant part of an input, by its type; `targets` in order. */
export type InputDigest =
  | { readonly type: OutputKind; readonly digest: Sha256 }
  | { readonly type: 'targets'; readonly digests: readonly string[] }
  | { readonly type: 'source'; readonly digest: Sha256 }
  | { readonly type: 'value'; readonly digest: Sha256 };

/** All parts of a key. */
export interface Action {
  readonly key: Sha256;
  readonly code: Code;
  /** The inputs that are part of the key. */
  readonly inputs: Readonly<Record<string, InputDigest>>;
  /** For a download: the SHA-256 that its output must have. */
  readonly pinned?: Sha256;
}

/** State that the keys of one build share: each file, module and value is hashed once. */
export interface KeyReader {
  readonly facts: Facts;
  readonly code: CodeReader;
  readonly sources: Map<string, Sha256>;
  readonly values: Map<Sorted, Sha256>;
}

/** Makes the state for the keys of one build. */
export function keyReader(facts: Facts): KeyReader {
  return { facts, code: codeReader(facts), sources: new Map(), values: new Map() };
}

/** Whether a recipe's keys contain the code of its module and of all imports. */
export function isKeyedByModule({ fetch, invocation }: Recipe): boolean {
  return !fetch && invocation === undefined;
}

/**
 * The key of a node: SHA-256 over canonical JSON of its recipe's kind, code (or invocation) and inputs.
 * A target counts by the digest of its output (`outputs` gives it), so an unchanged output stops the
 * rebuilding.
 */
export function actionOf(
  reader: KeyReader,
  node: Node,
  outputs: (node: Node) => { readonly kind: OutputKind; readonly digest: Sha256 },
): Action {
  const { recipe } = node.target;
  const inputs: Record<string, InputDigest> = {};
  for (const [name, input] of node.inputs) {
    if (!recipe.uncounted.includes(name)) inputs[name] = inputDigest(reader, node, name, input, outputs);
  }
  const code = codeBehind(reader, node);
  const { kind } = recipe;
  // An invocation identifies its recipe.
  const index = recipe.invocation ? 0 : recipe.index;
  const key = sha256(canonicalJson({ format: FORMATS[kind], kind, code: code.digest, index, inputs }));
  const { sha256: pinned } = node.target.inputs;
  return { key, code, inputs, ...(recipe.fetch && isDigest(pinned) ? { pinned } : {}) };
}

function codeBehind(reader: KeyReader, { target: { recipe, inputs } }: Node): Code {
  if (recipe.fetch) return FETCH;
  if (!recipe.invocation) return codeOf(reader.code, recipe.from);
  const digest = sha256(canonicalJson(recipe.invocation(inputs)));
  return { digest: sha256(`invocation ${digest}`), parts: { 'what runs in the sandbox': digest } };
}

function inputDigest(
  reader: KeyReader,
  node: Node,
  name: string,
  input: Sorted,
  outputs: (node: Node) => { readonly kind: OutputKind; readonly digest: Sha256 },
): InputDigest {
  switch (input.type) {
    case 'target': {
      const { kind, digest } = outputs(input.node);
      return { type: kind, digest };
    }
    case 'targets':
      return {
        type: 'targets',
        digests: input.nodes.map((item) => {
          const { kind, digest } = outputs(item);
          return `${kind} ${digest}`;
        }),
      };
    case 'source': {
      const known = reader.sources.get(input.source);
      const digest = known ?? sourceDigest(reader.facts, input.source, `${node.name}: input "${name}"`);
      reader.sources.set(input.source, digest);
      return { type: 'source', digest };
    }
    case 'value': {
      const digest = reader.values.get(input) ?? sha256(canonicalJson(input.value));
      reader.values.set(input, digest);
      return { type: 'value', digest };
    }
  }
}

import { canonicalJson, type Sha256, sha256 } from '../../sdk/lib/files.ts';
import { type CodeReader, codeOf } from './code.ts';
import type { Facts } from './facts.ts';
import type { Node, Sorted } from './graph.ts';
import { sourceDigest } from './source.ts';
import { isDigest } from './store.ts';
import type { OutputKind } from './target.ts';

/** Raised when the graph hands recipes something else for the same inputs: makes every key a new one. */
const FORMAT = 1;

/** What of an input's content counts, by its type; `targets` in order. */
export type InputDigest =
  | { readonly type: OutputKind; readonly digest: Sha256 }
  | { readonly type: 'targets'; readonly digests: readonly string[] }
  | { readonly type: 'source'; readonly digest: Sha256 }
  | { readonly type: 'value'; readonly digest: Sha256 };

/** Everything a key is made of. */
export interface Action {
  readonly key: Sha256;
  readonly code: Sha256;
  readonly inputs: Readonly<Record<string, InputDigest>>;
  /** Of a download: the SHA-256 that its output must have. */
  readonly pinned?: Sha256;
}

export interface KeyReader {
  readonly facts: Facts;
  readonly code: CodeReader;
  readonly sources: Map<string, Sha256>;
  readonly values: Map<Sorted, Sha256>;
}

export function keyReader(facts: Facts): KeyReader {
  return { facts, code: { facts, codes: new Map() }, sources: new Map(), values: new Map() };
}

/**
 * The key of a node: SHA-256 of canonical JSON of its recipe's kind and code and its inputs. A target counts by the
 * digest of its output (`outputs` gives it), so that one that came out the same stops the rebuilding there.
 */
export function actionOf(
  reader: KeyReader,
  node: Node,
  outputs: (node: Node) => { readonly kind: OutputKind; readonly digest: Sha256 },
): Action {
  const { recipe } = node.target;
  const inputs: Record<string, InputDigest> = {};
  for (const [name, input] of node.inputs) inputs[name] = inputDigest(reader, node, name, input, outputs);
  // What is pinned by its digest is the same bytes whatever code fetched it.
  const code = recipe.fetch ? sha256('fetch') : codeOf(reader.code, recipe.from).digest;
  const key = sha256(canonicalJson({ format: FORMAT, kind: recipe.kind, code, index: recipe.index, inputs }));
  const { sha256: pinned } = node.target.inputs;
  return { key, code, inputs, ...(recipe.fetch && isDigest(pinned) ? { pinned } : {}) };
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

import type { Sha256 } from '../../sdk/lib/files.ts';

/** Plain data: the kind of input that is neither a target nor a source. Hashed as canonical JSON. */
export type Value =
  | null
  | boolean
  | number
  | string
  | readonly Value[]
  | { readonly [key: string]: Value | undefined };

/** An interface as plain data: interfaces have no index signature, so TypeScript does not take them for a `Value`. */
export type Plain<T> = T extends readonly (infer E)[]
  ? readonly Plain<E>[]
  : T extends object
    ? { readonly [K in keyof T]: Plain<T[K]> }
    : T;

/** A file or folder of the checkout whose content (never its path, times or owner) is an input. */
export interface Source {
  readonly source: string;
}

/** An input of a target: other targets, a file or folder of the checkout, or plain data. */
export type Input = Target | readonly Target[] | Source | Value;
/** By name; names are part of the key. */
export type Inputs = Readonly<Record<string, Input>>;

/** `file`: one blob of the store. `dir`: an unpacked folder of the store (tool trees only). */
export type OutputKind = 'file' | 'dir';

/** A node of the build graph: named, typed inputs, one output. */
export interface Target {
  /** The user's name for it: `n100:usr`, `deb:bash`. Unique in a graph. */
  readonly name: string;
  readonly recipe: Recipe;
  readonly inputs: Inputs;
}

/** The output of a target, for the targets that use it. */
export interface Output {
  readonly kind: OutputKind;
  /** SHA-256 of the file, or of the folder's contents: paths, modes, contents, targets of links. */
  readonly digest: Sha256;
  /** Bytes; 0 for a folder. */
  readonly size: number;
  /** Absolute path in the store. Read only. */
  readonly path: string;
}

/** The inputs in the form that `run` receives. */
export type Resolved<I> = {
  readonly [K in keyof I]: I[K] extends Target
    ? Output
    : I[K] extends readonly Target[]
      ? readonly Output[]
      : I[K] extends Source
        ? { readonly path: string; readonly digest: Sha256 }
        : I[K];
};

/** Everything that a recipe may use. */
export interface Context<I extends Inputs> {
  readonly inputs: Resolved<I>;
  /**
   * The path at which `run` must leave the output, a file or a folder by the recipe's kind. It does not exist
   * yet.
   */
  readonly out: string;
  /** A private folder, removed afterwards in any case. Its path differs from run to run. */
  readonly scratch: string;
  /** Number of processes that this recipe may use. */
  readonly jobs: number;
  readonly signal: AbortSignal;
  /**
   * Puts bytes, or the file at a path (which is moved), into the store as a blob that the output refers to.
   */
  add(content: Uint8Array | { readonly path: string }): Promise<Sha256>;
  /**
   * Path of a checked blob that an input refers to: an output of, or `add`ed by, any target below this one.
   * It is made again if it is missing.
   */
  blob(digest: Sha256): Promise<string>;
  /**
   * A folder in the state in which the last run with this name left it; empty the first time, and after an
   * interruption.
   * It is for tools that know which files are up to date (make). It may change the speed, but never the
   * output.
   */
  workspace(name: string): Promise<string>;
  /** Progress of this target, in any unit. */
  progress(done: number, total: number, note?: string): void;
}

/** How targets of one kind are made. */
export interface Recipe {
  readonly kind: OutputKind;
  /**
   * `import.meta.url` of the module that defines it. The source of the module and of its imports is part of
   * the key.
   */
  readonly from: string;
  /**
   * Number of the recipe in its module, in order of definition: two recipes of one module never share a key.
   */
  readonly index: number;
  /**
   * Downloads a file that its inputs pin by digest: `-B` never runs it again, and it takes no processor slot.
   */
  readonly fetch: boolean;
  /** A long recipe (a kernel): `jobs` is the whole machine, even while others run. */
  readonly parallel: boolean;
  /** Part of the key in place of the code. */
  readonly invocation: ((inputs: Inputs) => Value) | undefined;
  /** Names of inputs that are not part of the key. */
  readonly uncounted: readonly string[];
  readonly run: (context: Context<Inputs>) => Promise<void>;
}

const defined = new Map<string, number>();

/**
 * Defines a recipe and returns the function that makes its targets. Call it at the top level of a module, in
 * a fixed order.
 * `run` must get everything from its context: values from elsewhere would not be part of the key.
 */
export function recipe<I extends Inputs>(definition: {
  readonly from: string;
  readonly kind: OutputKind;
  readonly fetch?: boolean;
  readonly parallel?: boolean;
  /**
   * For a slow recipe that starts a program in the sandbox, which alone decides about the output: everything that the
   * program gets (arguments, environment, the mount point of each input), as plain data. It replaces the code in the key,
   * so that an edit of the code around it compiles no kernel. Anything that is neither in here nor in a counted input
   * must not change the output.
   */
  readonly invocation?: (inputs: I) => Value;
  /** Inputs that cannot change the output, e.g. the tool that makes the sandbox. */
  readonly uncounted?: readonly (keyof I & string)[];
  run(context: Context<I>): Promise<void>;
}): (name: string, inputs: I) => Target {
  const index = defined.get(definition.from) ?? 0;
  defined.set(definition.from, index + 1);
  const { invocation } = definition;
  const made: Recipe = {
    kind: definition.kind,
    from: definition.from,
    index,
    fetch: definition.fetch ?? false,
    parallel: definition.parallel ?? false,
    invocation: invocation && ((inputs) => invocation(inputs as unknown as I)),
    uncounted: definition.uncounted ?? [],
    run: (context) => definition.run(context as unknown as Context<I>),
  };
  return (name, inputs) => ({ name, recipe: made, inputs });
}

/** A file or folder as an input; relative paths start at the root of the checkout. */
export function source(path: string): Source {
  return { source: path };
}

/** Tells a target from plain data. */
export function isTarget(input: unknown): input is Target {
  return typeof input === 'object' && input !== null && 'recipe' in input && 'inputs' in input;
}

/** Tells a source from plain data. */
export function isSource(input: unknown): input is Source {
  if (typeof input !== 'object' || input === null || !('source' in input)) return false;
  return typeof input.source === 'string' && Object.keys(input).length === 1;
}

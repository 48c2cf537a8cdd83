/** The options of the process with the static checks. */
export interface StaticOptions {
  readonly checkout: string;
  /** Root of the SDK tree of the set `sdk-check`. */
  readonly tools: string;
  /** The patterns of the command line. */
  readonly patterns: readonly string[];
}

/** The environment variable that carries the options as JSON. */
export const STATIC_OPTIONS = 'DRAISINE_STATIC_OPTIONS';

/** The options of this process. */
export function readStaticOptions(): StaticOptions {
  const text = process.env[STATIC_OPTIONS];
  if (text === undefined) throw new Error(`${STATIC_OPTIONS} is not set: ./draisine test --static runs this`);
  return JSON.parse(text) as StaticOptions;
}

/** What the process of the static checks is told. */
export interface StaticOptions {
  readonly checkout: string;
  /** Root of the SDK tree of the set `sdk-check`. */
  readonly tools: string;
  /** As the command line has them. */
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

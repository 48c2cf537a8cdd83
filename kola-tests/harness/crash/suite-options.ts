/** The environment variable that tells the suite of crash states its options, as JSON. */
export const CRASH_OPTIONS = 'DRAISINE_KOLA_CRASH';

/** What the suite of crash states is to run. */
export interface CrashSuite {
  readonly image: string;
  /** Names of kola-tests/flows. */
  readonly flows: readonly string[];
  readonly out: string;
  readonly toolTree: string;
  /** How many states of each flow are really booted. */
  readonly boot: number;
}

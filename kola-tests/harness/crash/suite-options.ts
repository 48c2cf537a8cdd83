/** The environment variable with the options of the suite of crash states, as JSON. */
export const CRASH_OPTIONS = 'DRAISINE_KOLA_CRASH';

/** The options of the suite of crash states. */
export interface CrashSuite {
  readonly image: string;
  /** Names of kola-tests/flows. */
  readonly flows: readonly string[];
  readonly out: string;
  readonly toolTree: string;
  /** Number of states of each flow from which machines are booted. */
  readonly boot: number;
}

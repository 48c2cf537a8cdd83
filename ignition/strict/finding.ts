import type { Step } from '../step.ts';

/** What a check beyond Ignition's own found. It never changes the verdict: it becomes a warning. */
export interface Finding {
  /** Where in the config. */
  readonly path: readonly Step[];
  /** What is wrong; how to fix it. */
  readonly message: string;
}

import type { Step } from '../base/step.ts';

/** What a check beyond Ignition's own found. */
export interface Finding {
  /** An error stops the boot; all else is a warning. */
  readonly kind?: 'error' | 'warning';
  /** Where in the config. */
  readonly path: readonly Step[];
  /** What is wrong; how to fix it. */
  readonly message: string;
}

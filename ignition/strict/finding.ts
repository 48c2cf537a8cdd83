import type { Step } from '../base/step.ts';

/** The result of a check that Ignition itself does not make. */
export interface Finding {
  /** An error stops the boot; a warning does not. */
  readonly kind?: 'error' | 'warning';
  /** The path in the config. */
  readonly path: readonly Step[];
  /** The problem, then a hint. */
  readonly message: string;
}

import type { Severity } from '../settings/notify.ts';

/** A condition of the machine. It is reported once while it lasts; the name identifies it. */
export interface Condition {
  readonly name: string;
  readonly severity: Severity;
  readonly text: string;
  /** True for a single event: its end is not reported. */
  readonly event?: boolean;
  /**
   * The question that it answers, or `QUESTION PART`. While there is no answer, a known condition is not over.
   */
  readonly source?: string;
}

/** The answers of one look at the machine. */
export interface Look {
  readonly conditions: readonly Condition[];
  /** Sources that gave no answer. */
  readonly unseen: readonly string[];
}

/** How bad a condition can be, the least first. */
export const SEVERITIES = ['info', 'warning', 'error'] as const;

/** How bad a condition is. */
export type Severity = (typeof SEVERITIES)[number];

/** Something that is so now. While it stays so it is told once; the name says whether it is the same. */
export interface Condition {
  readonly name: string;
  readonly severity: Severity;
  readonly text: string;
  /** True of what happened once: nobody is told that it is over. */
  readonly event?: boolean;
}

/** How a machine came up: a test's, or one that is saved for forks. */
export interface Started {
  /** Its name in the test, or what it was made for. */
  readonly machine: string;
  readonly how: 'boot' | 'initrd fork' | 'fork';
  readonly ms: number;
  /** Why it was booted although it was to be forked. */
  readonly why?: string;
}

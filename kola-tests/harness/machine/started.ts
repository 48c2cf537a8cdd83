/** A start of a machine of a test, or of one that is saved for forks. */
export interface Started {
  /** Its name in the test, or its purpose. */
  readonly machine: string;
  readonly how: 'boot' | 'initrd fork' | 'fork';
  readonly ms: number;
  /** The reason why it was booted instead of forked. */
  readonly why?: string;
}

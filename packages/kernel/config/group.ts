/**
 * Options of the kernel that belong together, by their Kconfig names without CONFIG_ (lists are separated by blanks).
 * All other options are off, because the base is allnoconfig.
 */
export interface ConfigGroup {
  readonly name: string;
  /** The reason for these settings. */
  readonly reason: string;
  /** `=y` */
  readonly builtin?: string;
  /** `=m` */
  readonly modules?: string;
  /** `=n`: options that Kconfig would turn on by itself. */
  readonly off?: string;
  /** Numbers, and strings without their quotes. */
  readonly values?: Readonly<Record<string, string | number>>;
}

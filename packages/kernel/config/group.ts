/**
 * Options of the kernel that belong together, by their Kconfig names without CONFIG_ (lists are separated by blanks).
 * What no group names is off: the base is allnoconfig.
 */
export interface ConfigGroup {
  readonly name: string;
  /** Why these options are in (or, for those with a note, why not). */
  readonly reason: string;
  /** `=y` */
  readonly builtin?: string;
  /** `=m` */
  readonly modules?: string;
  /** `=n`: what Kconfig would turn on by itself. */
  readonly off?: string;
  /** Numbers, and strings as they are between the quotes. */
  readonly values?: Readonly<Record<string, string | number>>;
}

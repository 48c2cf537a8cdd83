/** A package that is left out, with the reason. `why`, `diff` and errors show the reason. */
export interface Dropped {
  readonly package: string;
  readonly reason: string;
}

/**
 * A package set: a named list of Debian packages that is resolved as one closure and pinned in the lock. Sets are
 * composed in TypeScript, by spreading one into another. The resolver gets one flat value.
 */
export interface PackageSet {
  readonly name: string;
  /**
   * Roots: `bash`, or `linux-image-amd64/trixie-backports` to take it from that suite. Recommended packages do not come
   * with them.
   */
  readonly include: readonly string[];
  /** Packages that are not installed, although other packages depend on them. */
  readonly drop?: readonly Dropped[];
  /** Package → the package that takes its place (`gawk` → `mawk`), also inside alternatives. */
  readonly replace?: readonly (Dropped & { readonly with: string })[];
  /**
   * `roots`: only the packages of `include`, without dependencies, for packages that a recipe unpacks but does not run.
   * Default `depends`.
   */
  readonly closure?: 'depends' | 'roots';
  /** Debian source packages to pin (.dsc and its files), for recipes. */
  readonly sources?: readonly string[];
}

/** A reason in writing: part of `why`, `diff` and every error that touches the entry. */
export interface Dropped {
  readonly package: string;
  readonly reason: string;
}

/**
 * A package set: a named list of Debian packages that is resolved as one closure and pinned in the lock.
 * Sets are composed in TypeScript (spread one into another); the resolver sees one flat value.
 */
export interface PackageSet {
  readonly name: string;
  /** Roots: `bash`, or `linux-image-amd64/trixie-backports` to take it from that suite. Recommends never. */
  readonly include: readonly string[];
  /** Never installed though something depends on them. */
  readonly drop?: readonly Dropped[];
  /** Another package in the place of one (`gawk` → `mawk`), also inside alternatives. */
  readonly replace?: readonly (Dropped & { readonly with: string })[];
  /** `roots`: only `include`, no dependencies (what a recipe unpacks rather than runs). Default `depends`. */
  readonly closure?: 'depends' | 'roots';
  /** Debian source packages to pin (.dsc and its files), for recipes. */
  readonly sources?: readonly string[];
}

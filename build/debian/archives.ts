/** Draisine's sources. No other file names Debian's suites, components or architecture. */

/** An archive: a tree of `dists/` and `pool/` under one base URL of a mirror. */
export type ArchiveName = 'debian' | 'debian-security';

/** A suite of an archive, and the components of it that Draisine uses. */
export interface Suite {
  readonly archive: ArchiveName;
  /** Codename, as in `dists/SUITE`. */
  readonly suite: string;
  readonly components: readonly string[];
  /**
   * True: a package comes from this suite only if a root names the suite (`name/SUITE`), or if no other suite satisfies
   * a dependency.
   */
  readonly onRequest: boolean;
}

/** Debian's name of the architecture of all images. `uname -m` calls it x86_64. */
export const architecture = 'amd64';

/** The distribution's name in package URLs (purl-spec, qualifier `distro`). */
export const distribution = 'debian-13';

/** contrib has OpenZFS; non-free-firmware has microcode and firmware. */
const COMPONENTS = ['main', 'contrib', 'non-free-firmware'];

/** The suites that package sets draw from. */
export const suites: readonly Suite[] = [
  { archive: 'debian', suite: 'trixie', components: COMPONENTS, onRequest: false },
  { archive: 'debian-security', suite: 'trixie-security', components: COMPONENTS, onRequest: false },
  { archive: 'debian', suite: 'trixie-backports', components: COMPONENTS, onRequest: true },
];

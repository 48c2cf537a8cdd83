/** Draisine's sources. Only this file names Debian's suites, components and architecture. */

/** An archive: a tree of `dists/` and `pool/` under one base URL of a mirror. */
export type ArchiveName = 'debian' | 'debian-security';

/** One suite of an archive, and the components that are read. */
export interface Suite {
  readonly archive: ArchiveName;
  /** Codename, as in `dists/SUITE`. */
  readonly suite: string;
  readonly components: readonly string[];
  /** Only for roots that ask for it (`name/SUITE`), and for dependencies that nothing else satisfies. */
  readonly onRequest: boolean;
}

/** Of every image: what `uname -m` calls x86_64. */
export const architecture = 'amd64';

/** As package URLs name it (purl-spec, qualifier `distro`). */
export const distribution = 'debian-13';

/** contrib has OpenZFS; non-free-firmware has microcode and firmware. */
const COMPONENTS = ['main', 'contrib', 'non-free-firmware'];

/** The suites that package sets draw from. */
export const suites: readonly Suite[] = [
  { archive: 'debian', suite: 'trixie', components: COMPONENTS, onRequest: false },
  { archive: 'debian-security', suite: 'trixie-security', components: COMPONENTS, onRequest: false },
  { archive: 'debian', suite: 'trixie-backports', components: COMPONENTS, onRequest: true },
];

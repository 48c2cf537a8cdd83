import type { Sha256 } from '../../sdk/lib/files.ts';
import type { ArchiveName } from './archives.ts';
import type { SourceRecord } from './sources.ts';

/** A suite's signed index, as it was when the lock was made. */
export interface LockedIndex {
  readonly archive: ArchiveName;
  readonly suite: string;
  /** ISO 8601, UTC. */
  readonly date: string;
  /** Absent: valid until replaced. */
  readonly validUntil?: string;
  /** Of the InRelease file. */
  readonly inRelease: Sha256;
  /** Of the Packages file (and the Sources file, when a set wants sources) of each component. */
  readonly packages: Readonly<Record<string, Sha256>>;
  readonly sources?: Readonly<Record<string, Sha256>>;
}

/** A pinned .deb. */
export interface PinnedPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Bytes of the .deb. */
  readonly size: number;
  /** KiB, after its maintainer. */
  readonly installedSize: number;
  readonly sha256: Sha256;
  readonly archive: ArchiveName;
  readonly suite: string;
  readonly component: string;
  /** Relative to the archive: `pool/…`. */
  readonly path: string;
}

/** A package of a set: the pin and why it is in. */
export interface LockedPackage extends PinnedPackage {
  /** Named in the set's `include`. */
  readonly root: boolean;
  /** Package of the set → text of the dependency that it satisfies. */
  readonly needs: Readonly<Record<string, string>>;
  /** Dropped name → text of the dependency left open. */
  readonly dropped: Readonly<Record<string, string>>;
}

/** A resolved package set. */
export interface LockedSet {
  /** Digest of the set's definition (`definitionDigest`). */
  readonly definition: Sha256;
  /** Sorted by name. */
  readonly packages: readonly LockedPackage[];
}

/** A pinned source package. */
export interface LockedSource extends SourceRecord {
  readonly archive: ArchiveName;
  readonly suite: string;
  readonly component: string;
}

/** The committed file that pins every package of every set. */
export interface Lock {
  readonly indexes: readonly LockedIndex[];
  readonly sets: ReadonlyMap<string, LockedSet>;
  readonly sources: readonly LockedSource[];
}

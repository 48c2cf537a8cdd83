import type { Sha256 } from '../../sdk/lib/files.ts';
import type { ArchiveName } from './archives.ts';
import type { SourceRecord } from './sources.ts';

/** A suite's signed index at the time when the lock was made. */
export interface LockedIndex {
  readonly archive: ArchiveName;
  readonly suite: string;
  /** ISO 8601, UTC. */
  readonly date: string;
  /** Absent if the index is valid until a newer one replaces it. */
  readonly validUntil?: string;
  /** SHA-256 of the InRelease file. */
  readonly inRelease: Sha256;
  /** SHA-256 of each component's Packages file, and of its Sources file if a set wants sources. */
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
  /** KiB on disk, as its maintainer estimated. */
  readonly installedSize: number;
  readonly sha256: Sha256;
  readonly archive: ArchiveName;
  readonly suite: string;
  readonly component: string;
  /** Relative to the archive: `pool/…`. */
  readonly path: string;
}

/** A package of a set: its pin, and the reasons why the set has it. */
export interface LockedPackage extends PinnedPackage {
  /** True if the set's `include` names it. */
  readonly root: boolean;
  /** Package of the set → text of the dependency that it satisfies. */
  readonly needs: Readonly<Record<string, string>>;
  /** Dropped name → text of the dependency that is not satisfied. */
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

import type { Sha256 } from '../../sdk/lib/files.ts';

/**
 * The place of a file's bytes. `blob` names a blob of the store. Many files may share one blob, e.g. the uncompressed
 * data.tar of a package, each at its own offset.
 */
export type Content =
  | {
      readonly inline: string;
      readonly encoding: 'utf8' | 'base64';
      readonly size: number;
      readonly sha256: Sha256;
    }
  | { readonly blob: Sha256; readonly offset: number; readonly size: number; readonly sha256: Sha256 };

interface Common {
  /** Path without leading or trailing slash, no `.`, `..` or empty component: `usr/bin/bash`. */
  readonly path: string;
  /** Permission bits incl. setuid, setgid, sticky: 0 – 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Extended attributes, value in base64 (`security.capability`, …). */
  readonly xattrs?: Readonly<Record<string, string>>;
  /** The source of the entry: `deb:bash`, `overlay:n100/etc`, `fixup:ca-bundle`. For `why`, `size` and error messages. */
  readonly origin: string;
}

export type Entry =
  | (Common & { readonly type: 'file'; readonly content: Content })
  | (Common & { readonly type: 'dir' })
  | (Common & { readonly type: 'symlink'; readonly target: string })
  /** Another name of the file at `target` (a path of the same tree, same form as `path`). */
  | (Common & { readonly type: 'hardlink'; readonly target: string });

/**
 * The ordered list of entries that becomes a file system: a value, never a directory on disk.
 * Sorted by path in code-unit order; parents come before children; every path once.
 * Entries have no time, because all times are the build's SOURCE_DATE_EPOCH.
 */
export interface Tree {
  readonly entries: readonly Entry[];
}

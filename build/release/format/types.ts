// Generated from the schemas beside it: npx tsx build/release/format/generate.ts. Do not edit.

/**
 * One of the three signed files as it is stored: its text and the signatures over it.
 */
export interface Envelope {
  /**
   * The signed text: JSON, whose UTF-8 bytes the signatures are over.
   */
  signed: string;
  /**
   * @maxItems 32
   */
  signatures: Signature[];
}
export interface Signature {
  /**
   * Fingerprint of a public key, as `ssh-keygen -l` prints it.
   */
  key: string;
  /**
   * Signature as `ssh-keygen -Y sign` writes it (OpenSSH, PROTOCOL.sshsig).
   */
  sshsig: string;
}

/**
 * BASE/root.json: the keys that a box trusts, by role.
 */
export interface Root {
  /**
   * Number of this format. A reader refuses any other.
   */
  format: 1;
  /**
   * 1, then always one more. Number N + 1 is signed by the root keys of N and by its own.
   */
  number: number;
  /**
   * Time in UTC, `2026-11-29T12:00:00Z`.
   */
  issued: string;
  /**
   * After this time, nothing new may be signed under it. Boxes warn, and go on.
   */
  expires: string;
  /**
   * Public keys by fingerprint, each one line as in a .pub file, without its comment.
   */
  keys: {
    [k: string]: string | undefined;
  };
  roles: {
    root: Role;
    release: Role;
    channel: Role;
  };
}
/**
 * Who may sign.
 */
export interface Role {
  /**
   * Number of different keys that must have signed.
   */
  threshold: number;
  /**
   * @minItems 1
   * @maxItems 32
   *
   * Items: Fingerprint of a public key, as `ssh-keygen -l` prints it.
   */
  keys: [string, ...string[]];
}

/**
 * BASE/IMAGE/releases/VERSION/release.json: the files and properties of a release.
 */
export interface Release {
  /**
   * Number of this format. A reader refuses any other.
   */
  format: 1;
  image: string;
  /**
   * `YYYY.MDD.N`.
   */
  version: string;
  /**
   * The date of the lock's newest index: nothing in a release is of the clock.
   */
  date: string;
  /**
   * Root hash of /usr's hash tree.
   */
  rootHash: string;
  /**
   * The layout of usr.img.
   */
  usr: {
    /**
     * Bytes of the erofs, at the start of usr.img.
     */
    data: number;
    /**
     * Bytes of the hash tree.
     */
    hash: number;
    /**
     * Offset of the hash tree in usr.img.
     */
    hashOffset: number;
  };
  /**
   * By name, in the folder of this file.
   */
  files: {
    [k: string]: ReleaseFile | undefined;
  };
  /**
   * The lowest version that may update to this one.
   */
  needs?: string;
  /**
   * The lowest number of root.json with which this release is accepted.
   */
  root?: number;
  /**
   * Its release, as `uname -r` prints it.
   */
  kernel: string;
  zfs?: {
    version: string;
    /**
     * Pool features that it can read, as zpool-features(7) names them (`async_destroy`).
     */
    features: string[];
  };
  /**
   * Severity of the gravest fault that it repairs.
   */
  severity: 'none' | 'low' | 'moderate' | 'important' | 'critical';
  /**
   * URL of the release notes; relative to the folder of this file, or absolute.
   */
  notes?: string;
}
export interface ReleaseFile {
  /**
   * Bytes.
   */
  size: number;
  /**
   * SHA-256, 64 lower-case hexadecimal digits.
   */
  sha256: string;
}

/**
 * BASE/IMAGE/CHANNEL.json: the release for the boxes of a channel.
 */
export interface Channel {
  /**
   * Number of this format. A reader refuses any other.
   */
  format: 1;
  image: string;
  channel: string;
  /**
   * Rises with every file that is issued; a box takes no lower one.
   */
  serial: number;
  /**
   * Time in UTC, `2026-11-29T12:00:00Z`.
   */
  issued: string;
  /**
   * At most seven days after `issued`. A box warns of an older file, and stays as it is.
   */
  expires: string;
  /**
   * The release for the boxes of this channel. Absent: none yet.
   */
  version?: string;
  /**
   * SHA-256 of the bytes of that version's release.json.
   */
  release?: string;
  /**
   * When this version came to this channel.
   */
  since?: string;
  rollout?: Rollout;
  /**
   * Releases that a box must run before it takes a later one; versions rise.
   */
  barriers: ReleaseRef[];
  /**
   * No box begins to update while this is here.
   */
  halted?: {
    /**
     * For the owners of boxes.
     */
    reason: string;
    /**
     * Time in UTC, `2026-11-29T12:00:00Z`.
     */
    since: string;
  };
  /**
   * Releases that no box shall begin to install.
   */
  withdrawn: Withdrawn[];
  /**
   * The version came here although a rule refused it.
   */
  forced?: {
    /**
     * `YYYY.MDD.N`.
     */
    version: string;
    reason: string;
    /**
     * The rules that refused it.
     */
    refused: string;
    /**
     * Time in UTC, `2026-11-29T12:00:00Z`.
     */
    since: string;
  };
  policy?: Policy;
}
export interface Rollout {
  /**
   * Time in UTC, `2026-11-29T12:00:00Z`.
   */
  begins: string;
  /**
   * Hours over which boxes join; 0: all at once.
   */
  hours: number;
}
export interface ReleaseRef {
  /**
   * `YYYY.MDD.N`.
   */
  version: string;
  /**
   * SHA-256 of the bytes of its release.json.
   */
  release: string;
}
export interface Withdrawn {
  /**
   * `YYYY.MDD.N`.
   */
  version: string;
  reason: string;
  /**
   * Time in UTC, `2026-11-29T12:00:00Z`.
   */
  since: string;
}
/**
 * Conditions of `channel promote`. Boxes ignore them.
 */
export interface Policy {
  /**
   * The lower channel that releases come from.
   */
  from?: string;
  /**
   * Hours that a release must have been there.
   */
  hours?: number;
  /**
   * Largest share of the reporting boxes that may have rejected a release.
   */
  failed?: number;
  /**
   * Hours of a rollout, unless `channel set` or `promote` sets others.
   */
  rollout?: number;
  /**
   * Security fixes only (lts): a release without a severity is refused, and one with other changes against the release before.
   */
  security?: boolean;
}

/**
 * report/report.json, signed with the namespace draisine-release: what `test --all` said of these very files.
 */
export interface TestReport {
  /**
   * Number of this format. A reader refuses any other.
   */
  format: 1;
  image: string;
  /**
   * `YYYY.MDD.N`.
   */
  version: string;
  passed: number;
  failed: number;
  skipped: number;
  /**
   * All tests were asked for (`test --all`), none by pattern, and every shard is here.
   */
  complete: boolean;
  /**
   * SHA-256 of results.json.
   */
  results: string;
  /**
   * SHA-256 of the tested files, by name.
   */
  artifacts: {
    /**
     * SHA-256, 64 lower-case hexadecimal digits.
     */
    [k: string]: string | undefined;
  };
}

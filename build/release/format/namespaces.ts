/** The severities of a release, from the least to the most severe. */
export const SEVERITIES = ['none', 'low', 'moderate', 'important', 'critical'] as const;

/** The roles of root.json. */
export type RoleName = 'root' | 'release' | 'channel';

/**
 * The namespaces of signatures (`ssh-keygen -Y sign -n`): a signature of one kind of file does not count for
 * another kind.
 */
export const NAMESPACES: Readonly<Record<RoleName, string>> = {
  root: 'draisine-root',
  release: 'draisine-release',
  channel: 'draisine-channel',
};

/** The number of the formats that this code reads and writes. */
export const FORMAT = 1;

/** The longest validity of a channel file after it was issued, in seconds. */
export const CHANNEL_SECONDS = 7 * 24 * 3600;

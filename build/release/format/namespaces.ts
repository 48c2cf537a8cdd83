/** The roles of root.json. */
export type RoleName = 'root' | 'release' | 'channel';

/** What a signature is for (`ssh-keygen -Y sign -n`): one of one kind of file says nothing of another kind. */
export const NAMESPACES: Readonly<Record<RoleName, string>> = {
  root: 'draisine-root',
  release: 'draisine-release',
  channel: 'draisine-channel',
};

/** The number of the formats that this code reads and writes. */
export const FORMAT = 1;

/** A channel file is good for at most this long after it was issued, in seconds. */
export const CHANNEL_SECONDS = 7 * 24 * 3600;

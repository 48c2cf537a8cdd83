import { badInput } from '../../sdk/lib/errors.ts';
import type { Sha256 } from '../../sdk/lib/files.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The base URL of the remote store, `DRAISINE_REMOTE`, without a slash at its end; undefined if there is
 * none.
 */
export function remoteBase(environment: Environment = process.env): string | undefined {
  const { DRAISINE_REMOTE: base } = environment;
  if (base === undefined || base === '') return undefined;
  if (!URL.canParse(base) || !/^https?:$/.test(new URL(base).protocol))
    throw badInput(`DRAISINE_REMOTE must be an http or https URL, not "${base}"`, {
      hint: 'name the folder of a web server, or a bucket: http://store.example/draisine',
    });
  const { username, password, search, hash } = new URL(base);
  if (username !== '' || password !== '')
    throw badInput('DRAISINE_REMOTE has a user name or a password in it', {
      hint: 'remove them; give a bearer token in DRAISINE_REMOTE_TOKEN, or the keys of S3 in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
    });
  if (search !== '' || hash !== '')
    throw badInput(`DRAISINE_REMOTE must end with a path, not with ${search}${hash}`, {
      hint: 'names of files are added to it: http://store.example/draisine',
    });
  return base.trim().replace(/\/+$/, '');
}

/** The path of a content below the base, by SHA-256, sharded as in the local store. */
export function blobName(digest: Sha256): string {
  return `blobs/${digest.slice(0, 2)}/${digest}`;
}

/** The path of an action's record in a remote store. */
export function actionName(key: Sha256): string {
  return `actions/${key.slice(0, 2)}/${key}`;
}

/** The URL of a content in the remote store; undefined if DRAISINE_REMOTE names no store. */
export function remoteBlobUrl(digest: Sha256, environment: Environment = process.env): string | undefined {
  const base = remoteBase(environment);
  return base === undefined ? undefined : `${base}/${blobName(digest)}`;
}

import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { AwsClient } from 'aws4fetch';
import type { RequestInit } from 'undici';
import { Failure } from '../../sdk/lib/errors.ts';
import type { Sha256 } from '../../sdk/lib/files.ts';
import { connections } from '../net/http.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** A server that keeps files by name: plain HTTP with GET, HEAD and PUT (RFC 9110), or S3 with signed requests. */
export interface RemoteClient {
  readonly base: string;
  /** The body of a file; undefined if it does not exist. */
  get(name: string): Promise<Readable | undefined>;
  /** A file that exists: its size in bytes, if the server tells it. Undefined for a file that does not exist. */
  find(name: string): Promise<{ readonly size: number | undefined } | undefined>;
  /** Uploads a file. `size` in bytes. */
  put(
    name: string,
    content: { readonly path: string; readonly size: number; readonly sha256: Sha256 },
  ): Promise<void>;
}

/**
 * A client for `base`. With AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY every request is signed (AWS
 * Signature Version 4, region AWS_REGION or us-east-1). With DRAISINE_REMOTE_TOKEN every request has a bearer
 * token.
 */
export function remoteClient(base: string, environment: Environment = process.env): RemoteClient {
  const headersFor = signer(environment);
  const ask = async (method: string, name: string, more: RequestInit = {}, digest = EMPTY) => {
    const url = `${base}/${name}`;
    try {
      const headers = { ...(await headersFor(method, url, digest)), ...(more.headers as object) };
      const { fetch } = await import('undici'); // loaded late: a build without a remote store does not need it
      return await fetch(url, { ...more, method, headers, dispatcher: await connections() });
    } catch (cause) {
      const reason =
        cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : String(cause);
      throw new Failure(`cannot reach the remote store: ${reason}`, {
        where: url,
        hint: 'check DRAISINE_REMOTE and the network, or unset it',
        cause,
      });
    }
  };
  const refuse = (what: string, name: string, status: number): Failure =>
    new Failure(`the remote store refused to ${what}: HTTP ${status}`, {
      where: `${base}/${name}`,
      hint:
        status === 401 || status === 403
          ? 'give the credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or DRAISINE_REMOTE_TOKEN'
          : 'see the log of that server',
    });
  return {
    base,
    async get(name) {
      const response = await ask('GET', name);
      if (response.status === 200 && response.body) return Readable.fromWeb(response.body);
      await response.body?.cancel();
      if (response.status === 404 || response.status === 410) return undefined;
      throw refuse('send a file', name, response.status);
    },
    async find(name) {
      // The size is that of the file only if the server does not compress it.
      const response = await ask('HEAD', name, { headers: { 'accept-encoding': 'identity' } });
      await response.body?.cancel();
      const length = response.headers.get('content-length');
      const isPlain = (response.headers.get('content-encoding') ?? 'identity') === 'identity';
      if (response.status === 200) return { size: isPlain && length !== null ? Number(length) : undefined };
      if (response.status === 404 || response.status === 410) return undefined;
      throw refuse('report whether it has a file', name, response.status);
    },
    async put(name, { path, size, sha256 }) {
      const body = createReadStream(path, { highWaterMark: 1 << 20 });
      const headers = { 'content-length': String(size) };
      const response = await ask('PUT', name, { body, headers, duplex: 'half' }, sha256);
      await response.body?.cancel();
      if (response.status < 200 || response.status > 299) throw refuse('store a file', name, response.status);
    },
  };
}

/** SHA-256 of zero bytes: the payload of GET and HEAD. */
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

function signer(
  environment: Environment,
): (method: string, url: string, digest: Sha256) => Promise<Record<string, string>> {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION } = environment;
  const { DRAISINE_REMOTE_TOKEN } = environment;
  if (!AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) {
    const bearer = DRAISINE_REMOTE_TOKEN ? { authorization: `Bearer ${DRAISINE_REMOTE_TOKEN}` } : {};
    return async () => ({ ...bearer });
  }
  const client = new AwsClient({
    accessKeyId: AWS_ACCESS_KEY_ID,
    secretAccessKey: AWS_SECRET_ACCESS_KEY,
    ...(AWS_SESSION_TOKEN ? { sessionToken: AWS_SESSION_TOKEN } : {}),
    service: 's3',
    region: AWS_REGION || 'us-east-1',
  });
  return async (method, url, digest) => {
    const { headers } = await client.sign(url, { method, headers: { 'x-amz-content-sha256': digest } });
    return Object.fromEntries(headers);
  };
}

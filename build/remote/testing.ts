import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

export interface TestRemote {
  readonly url: string;
  /** By path. */
  readonly files: Map<string, Buffer>;
  /** `METHOD PATH STATUS` of every request, in order. */
  readonly requests: string[];
}

/** Whether a request is allowed. `body`: its content. */
export type Guard = (request: IncomingMessage, body: Buffer) => boolean;

/** For tests: a server for files with GET, HEAD and PUT. It answers 403 to requests that the guard refuses. */
export async function startRemote(t: TestContext, guard: Guard = () => true): Promise<TestRemote> {
  const files = new Map<string, Buffer>();
  const requests: string[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const path = request.url ?? '';
    const answer = (status: number, content?: Buffer) => {
      requests.push(`${request.method} ${path} ${status}`);
      response.writeHead(status, { 'content-length': content?.length ?? 0 });
      response.end(request.method === 'HEAD' ? undefined : content);
    };
    if (!guard(request, body)) return answer(403);
    if (request.method === 'PUT') {
      files.set(path, body);
      return answer(201);
    }
    const file = files.get(path);
    return file ? answer(200, file) : answer(404);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, files, requests };
}

const hex = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();

/**
 * For tests: checks a request as S3 does (AWS Signature Version 4, header based, single chunk): the signature over the
 * canonical request, the digest of the payload, and that the date is of now. Written from the specification, not from
 * the client's library.
 */
export function s3Guard(id: string, secret: string, region: string): Guard {
  return (request, body) => {
    const match =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
        request.headers.authorization ?? '',
      );
    const time = String(request.headers['x-amz-date'] ?? '');
    if (!match || match[1] !== id || match[3] !== region || !time.startsWith(match[2] ?? '-')) return false;
    const at = Date.parse(time.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'));
    if (!(Math.abs(Date.now() - at) < 15 * 60_000)) return false;
    const payload = String(request.headers['x-amz-content-sha256'] ?? '');
    if (payload !== hex(body)) return false;
    const names = (match[4] ?? '').split(';');
    if (!names.includes('host') || !names.includes('x-amz-date')) return false;
    const url = new URL(request.url ?? '', `http://${request.headers.host}`);
    const canonical = [
      request.method ?? '',
      url.pathname,
      url.searchParams.toString(),
      ...names.map((name) => `${name}:${String(request.headers[name] ?? '').trim()}`),
      '',
      names.join(';'),
      payload,
    ].join('\n');
    const scope = `${match[2]}/${region}/s3/aws4_request`;
    const text = ['AWS4-HMAC-SHA256', time, scope, hex(canonical)].join('\n');
    const key = [region, 's3', 'aws4_request'].reduce(hmac, hmac(`AWS4${secret}`, match[2] ?? ''));
    return createHmac('sha256', key).update(text).digest('hex') === match[5];
  };
}

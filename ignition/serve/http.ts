import { createReadStream, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { badInput, errorCode } from '../../sdk/lib/errors.ts';

/** The content at a path: a file of this host, or a text made for the request. */
export type Answer =
  | { readonly file: string; readonly type?: string }
  | {
      readonly body: string | Uint8Array;
      readonly type: string;
      readonly status?: number;
      readonly note?: string;
    };

/** The address of the web server, and its content. */
export interface HttpOptions {
  readonly address: string;
  /** Port; 0: any free one. */
  readonly port: number;
  /** Finds content. `path` has no query; `host` is this server in the client's words. Undefined: 404. */
  readonly answer: (path: string, host: string) => Answer | undefined;
  /** Gets one line for each finished request. */
  readonly log: (line: string) => void;
}

/** A running web server. */
export interface HttpServer {
  readonly port: number;
  close(): Promise<void>;
}

/** GET and HEAD, with ranges (RFC 9110, 14). */
export async function serveHttp({ address, port, answer, log }: HttpOptions): Promise<HttpServer> {
  const server = createServer((request, response) => {
    const url = request.url ?? '/';
    const host = request.headers.host ?? `${address}:${port}`;
    const client = request.socket.remoteAddress?.replace(/^::ffff:/, '') ?? '?';
    const start = performance.now();
    let note = '';
    response.once('close', () => {
      const whole = response.writableFinished ? '' : ', broken off';
      const time = ((performance.now() - start) / 1000).toFixed(1);
      log(`${client}  ${request.method} ${url}  ${response.statusCode}${note}, ${time} s${whole}`);
    });
    try {
      note = respond(request, response, answer(decode(url), host));
    } catch (error) {
      // A file that is being replaced, or a path that no file system takes, must not end the server.
      if (errorCode(error) === undefined || response.headersSent) throw error;
      response.writeHead(404, { 'content-type': 'text/plain' }).end('not here\n');
      note = ` (${errorCode(error)})`;
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, resolve);
  }).catch((error: unknown) => {
    const where = `${address}:${port}`;
    const code = errorCode(error);
    if (code === 'EADDRINUSE')
      throw badInput('the port is in use', { where, hint: 'choose another with --port' });
    if (code === 'EACCES')
      throw badInput('only root may listen on this port', {
        where,
        hint: 'choose one from 1024 on with --port',
      });
    throw error;
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function decode(url: string): string {
  const path = url.split('?', 1)[0] ?? '/';
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** Answers a request. Returns an addition for the log besides the status. */
function respond(request: IncomingMessage, response: ServerResponse, answer: Answer | undefined): string {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end();
    return '';
  }
  if (!answer) {
    response.writeHead(404, { 'content-type': 'text/plain' }).end('not here\n');
    return '';
  }
  const head = request.method === 'HEAD';
  if ('body' in answer) {
    const body = Buffer.from(answer.body);
    response.writeHead(answer.status ?? 200, { 'content-type': answer.type, 'content-length': body.length });
    response.end(head ? undefined : body);
    return answer.note === undefined ? '' : ` (${answer.note})`;
  }
  const { size } = statSync(answer.file);
  const range = parseRange(request.headers.range, size);
  const headers = { 'content-type': answer.type ?? 'application/octet-stream', 'accept-ranges': 'bytes' };
  if (range === 'outside') {
    response.writeHead(416, { ...headers, 'content-range': `bytes */${size}` }).end();
    return '';
  }
  const { from, to } = range ?? { from: 0, to: size - 1 };
  const length = to - from + 1;
  response.writeHead(range ? 206 : 200, {
    ...headers,
    'content-length': length,
    ...(range ? { 'content-range': `bytes ${from}-${to}/${size}` } : {}),
  });
  if (head || length === 0) response.end();
  else {
    const stream = createReadStream(answer.file, { start: from, end: to, highWaterMark: 1 << 18 });
    stream.once('error', () => response.destroy());
    response.once('close', () => stream.destroy());
    stream.pipe(response);
  }
  return head ? '' : ` ${length} bytes`;
}

/**
 * A single range. For several ranges, and for other units than bytes, undefined: the whole file is then a
 * correct answer.
 */
export function parseRange(
  header: string | undefined,
  size: number,
): { readonly from: number; readonly to: number } | 'outside' | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '');
  if (!match) return undefined;
  const [, first = '', last = ''] = match;
  if (first === '') {
    if (last === '') return undefined;
    return Number(last) === 0 ? 'outside' : { from: Math.max(0, size - Number(last)), to: size - 1 };
  }
  const from = Number(first);
  const to = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== '' && Number(last) < from) return undefined;
  return from >= size ? 'outside' : { from, to };
}

import { createReadStream, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, normalize } from 'node:path';
import { HOST } from './web.ts';

/** A web server for a folder, with byte ranges (RFC 9110, section 14). Tests serve channels with it. */
export interface FolderServer {
  /** The address of this host for a guest, without a slash at its end. */
  readonly url: string;
  /** Bytes of files sent so far. */
  sent(): number;
  /** Paths of the requests so far. */
  readonly paths: readonly string[];
  close(): Promise<void>;
}

/** Serves a folder of this host to guests, until it is closed. */
export async function serveFolder(folder: string): Promise<FolderServer> {
  const paths: string[] = [];
  let sent = 0;
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const path = normalize(new URL(request.url ?? '/', 'http://host').pathname);
    paths.push(path);
    const file = join(folder, path);
    const found = statSync(file, { throwIfNoEntry: false });
    if (!found?.isFile()) {
      response.writeHead(404).end('there is no such file');
      return;
    }
    const { size } = found;
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const start = Number(from ?? 0);
    const end = to === undefined || to === '' ? size - 1 : Math.min(Number(to), size - 1);
    if (from !== undefined && start > end) {
      response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
      return;
    }
    response.writeHead(from === undefined ? 200 : 206, {
      'accept-ranges': 'bytes',
      'content-length': end - start + 1,
      ...(from === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${size}` }),
    });
    if (request.method === 'HEAD' || size === 0) {
      response.end();
      return;
    }
    createReadStream(file, { start, end })
      .on('data', (chunk) => {
        sent += chunk.length;
      })
      .pipe(response);
  };
  const server = createServer(answer);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://${HOST}:${(server.address() as AddressInfo).port}`,
    sent: () => sent,
    paths,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

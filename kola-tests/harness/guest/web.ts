import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** An HTTP(S) server of the test, for guests on the user network. */
export interface Web {
  /** The address of this host for a guest, without a slash at its end. */
  readonly url: string;
  /** Requests so far, e.g. `GET /path`. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

/** The contents of a web server of a test, and its access rule. */
export interface WebOptions {
  /** By path. Other paths are answered with 404. */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  /** Certificate and key in PEM. With these, it is an HTTPS server. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Requests for which this returns false are answered with 401. */
  readonly allowed?: (request: IncomingMessage) => boolean;
  /** Default: a free port. */
  readonly port?: number;
}

/** In QEMU's user network, this address leads to the host's 127.0.0.1. */
export const HOST = '10.0.2.2';

/** Starts a web server that guests reach at 10.0.2.2, until it is closed. */
export async function serve({ files, tls, allowed = () => true, port = 0 }: WebOptions): Promise<Web> {
  const requests: string[] = [];
  const answer: RequestListener = (request, response) => {
    const { method, url = '' } = request;
    requests.push(`${method} ${url}`);
    const content = Object.hasOwn(files, url) ? files[url] : undefined;
    const status = allowed(request) ? (content === undefined ? 404 : 200) : 401;
    response.writeHead(status).end(status === 200 ? content : undefined);
  };
  const server = tls ? createTlsServer(tls, answer) : createServer(answer);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http${tls ? 's' : ''}://${HOST}:${(server.address() as AddressInfo).port}`,
    requests,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

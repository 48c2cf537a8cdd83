import {
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { Failure } from '../../sdk/lib/errors.ts';

/**
 * HTTP GET on node:http(s) rather than fetch: Node 20's fetch knows no proxy, and undici's EnvHttpProxyAgent is not
 * reachable without another dependency. Honours HTTP_PROXY, HTTPS_PROXY, NO_PROXY (either case) and, as all of
 * Node's TLS does, NODE_EXTRA_CA_CERTS.
 */

const IDLE_MS = 30_000;
const MAX_REDIRECTS = 5;

const plainAgent = new HttpAgent({ keepAlive: true });
const tlsAgent = new HttpsAgent({ keepAlive: true });

export interface Response {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** The body; must be read or destroyed. */
  readonly body: IncomingMessage;
}

export interface GetOptions {
  /** Resume: ask for the bytes from this offset on. */
  readonly from?: number;
  readonly signal?: AbortSignal;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The proxy for a URL after the environment, or undefined. */
export function proxyFor(url: URL, environment: Environment = process.env): URL | undefined {
  const read = (name: string) => environment[name.toLowerCase()] || environment[name] || undefined;
  const proxy = read(url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY');
  if (proxy === undefined) return undefined;
  const exempt = (read('NO_PROXY') ?? '').split(/[\s,]+/).filter((entry) => entry !== '');
  const matches = (entry: string) => {
    const [host, port] = entry.replace(/^\*?\./, '').split(':');
    if (port !== undefined && port !== (url.port || (url.protocol === 'https:' ? '443' : '80'))) return false;
    return entry === '*' || url.hostname === host || url.hostname.endsWith(`.${host}`);
  };
  if (exempt.some(matches)) return undefined;
  try {
    return new URL(proxy.includes('://') ? proxy : `http://${proxy}`);
  } catch (cause) {
    throw new Failure(`the proxy is not a URL: ${proxy}`, {
      hint: 'correct HTTP_PROXY or HTTPS_PROXY',
      cause,
    });
  }
}

function proxyHeaders(proxy: URL): Record<string, string> {
  if (proxy.username === '') return {};
  const credentials = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` };
}

function hostPort(url: URL): string {
  return `${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`;
}

/** A TLS connection to `url` through a proxy's CONNECT (RFC 9110, 9.3.6). */
function tunnel(proxy: URL, url: URL, signal: AbortSignal | undefined): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const open = proxy.protocol === 'https:' ? httpsRequest : httpRequest;
    const connect = open({
      host: proxy.hostname,
      port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
      method: 'CONNECT',
      path: hostPort(url),
      headers: { host: hostPort(url), ...proxyHeaders(proxy) },
      agent: false,
      timeout: IDLE_MS,
      ...(signal ? { signal } : {}),
    });
    connect.once('connect', (response, socket) => {
      if (response.statusCode !== 200) {
        socket.destroy();
        reject(new Error(`the proxy ${proxy.host} refused the tunnel: HTTP ${response.statusCode}`));
        return;
      }
      // From here on neither the request's timeout nor its signal watch over the socket.
      const secure = tlsConnect({ socket, servername: url.hostname });
      const late = () => secure.destroy(new Error(`no TLS with ${url.host} through the proxy ${proxy.host}`));
      const stop = () => secure.destroy(signal?.reason);
      secure.setTimeout(IDLE_MS, late);
      signal?.addEventListener('abort', stop, { once: true });
      secure.once('close', () => signal?.removeEventListener('abort', stop));
      secure.once('error', reject);
      secure.once('secureConnect', () => {
        secure.setTimeout(0);
        secure.off('timeout', late);
        resolve(secure);
      });
    });
    connect.once('timeout', () => connect.destroy(new Error(`the proxy ${proxy.host} does not answer`)));
    connect.once('error', reject);
    connect.end();
  });
}

async function once(url: URL, { from, signal }: GetOptions): Promise<IncomingMessage> {
  const proxy = proxyFor(url);
  const secure = url.protocol === 'https:';
  const options: RequestOptions = {
    timeout: IDLE_MS,
    agent: secure ? tlsAgent : plainAgent,
    headers: { 'user-agent': 'draisine', ...(from ? { range: `bytes=${from}-` } : {}) },
    ...(signal ? { signal } : {}),
  };
  let target: URL = url;
  if (proxy !== undefined && secure) {
    const socket = await tunnel(proxy, url, signal);
    options.createConnection = () => socket;
    options.agent = false;
  } else if (proxy !== undefined) {
    target = new URL(proxy);
    options.path = url.href;
    options.headers = { ...options.headers, host: url.host, ...proxyHeaders(proxy) };
  }
  return await new Promise((resolve, reject) => {
    const request = (target.protocol === 'https:' ? httpsRequest : httpRequest)(target, options, resolve);
    request.once('timeout', () => request.destroy(new Error(`no byte for ${IDLE_MS / 1000} s`)));
    request.once('error', reject);
    request.end();
  });
}

/** GETs `url`, following redirects. Any status is an answer; no answer (or an aborted signal) throws. */
export async function get(url: string, options: GetOptions = {}): Promise<Response> {
  let target = new URL(url);
  for (let redirects = 0; ; redirects++) {
    const message = await once(target, options);
    const status = message.statusCode ?? 0;
    const { location } = message.headers;
    if (![301, 302, 303, 307, 308].includes(status) || location === undefined) {
      return { status, headers: message.headers, body: message };
    }
    message.destroy();
    if (redirects === MAX_REDIRECTS) throw new Error(`more than ${MAX_REDIRECTS} redirects from ${url}`);
    target = new URL(location, target);
  }
}

/** GETs a whole body of at most `limit` bytes. Undefined when the server says 404 or 410. */
export async function getBytes(
  url: string,
  limit: number,
  options: GetOptions = {},
): Promise<Buffer | undefined> {
  const { status, body } = await get(url, options);
  if (status !== 200) {
    body.destroy();
    if (status === 404 || status === 410) return undefined;
    throw new Error(`HTTP ${status}`);
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) {
      body.destroy();
      throw new Error(`more than the expected ${limit} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

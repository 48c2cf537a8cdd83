import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Agent, Dispatcher } from 'undici';
import { Failure } from '../../sdk/lib/errors.ts';

/**
 * HTTP GET by undici, the base of Node's own fetch, which ignores proxies. Honours HTTP_PROXY, HTTPS_PROXY
 * and NO_PROXY (upper or lower case) and, as all TLS of Node, NODE_EXTRA_CA_CERTS.
 */

const IDLE_MS = 30_000;
const MAX_REDIRECTS = 5;

/**
 * Waiting times before a busy or broken server is asked again, unless its Retry-After says something else.
 * undici's own retry would also resume with ranges. Resuming is done from the partial file on the disk here
 * (fetch.ts), because that file outlives the process.
 */
const PAUSES_MS: readonly number[] = [1000, 5000];
const LONGEST_PAUSE_MS = 30_000;

const OPTIONS: Agent.Options = {
  headersTimeout: IDLE_MS,
  bodyTimeout: IDLE_MS,
  connect: { timeout: IDLE_MS },
};

/** An answer whose body has not been read yet. */
export interface Response {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The body; must be read or destroyed. */
  readonly body: Readable;
}

/** Options besides the URL. */
export interface GetOptions {
  /** Resume: ask for the bytes from this offset on. */
  readonly from?: number;
  readonly signal?: AbortSignal;
}

let known: { readonly environment: string; readonly dispatcher: Dispatcher } | undefined;

/** Connections, kept alive, through the proxies of the environment. */
export async function connections(): Promise<Dispatcher> {
  const { Agent, EnvHttpProxyAgent } = await import('undici');
  const read = (name: string) => process.env[name.toLowerCase()] || process.env[name] || '';
  const [httpProxy, httpsProxy] = [proxyUrl(read('HTTP_PROXY')), proxyUrl(read('HTTPS_PROXY'))];
  const environment = JSON.stringify([httpProxy, httpsProxy]);
  if (known?.environment === environment) return known.dispatcher;
  const direct = new Agent(OPTIONS);
  // A plain request goes to its proxy with the whole URL, as caches of packages expect. Only TLS needs a
  // tunnel.
  const proxied = new EnvHttpProxyAgent({ ...OPTIONS, httpProxy, httpsProxy, proxyTunnel: false });
  // undici would use HTTP_PROXY for https too; curl, wget and git do not.
  const tls: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) =>
    httpsProxy === '' && `${options.origin}`.startsWith('https:')
      ? direct.dispatch(options, handler)
      : dispatch(options, handler);
  known = { environment, dispatcher: proxied.compose(tls) };
  return known.dispatcher;
}

function proxyUrl(value: string): string {
  if (value === '') return '';
  const url = value.includes('://') ? value : `http://${value}`;
  if (URL.canParse(url)) return url;
  throw new Failure(`the proxy is not a URL: ${value}`, { hint: 'correct HTTP_PROXY or HTTPS_PROXY' });
}

/** One request. An aborted signal ends it at once; undici would first wait for the connection. */
async function once(url: URL, { from, signal }: GetOptions): Promise<Response> {
  const { request } = await import('undici'); // loaded late: a build that fetches nothing does not need it
  const dispatcher = await connections();
  signal?.throwIfAborted();
  const asked = request(url, {
    dispatcher,
    headers: { 'user-agent': 'draisine', ...(from ? { range: `bytes=${from}-` } : {}) },
    ...(signal ? { signal } : {}),
  });
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal?.reason);
    signal?.addEventListener('abort', stop, { once: true });
  });
  try {
    const { statusCode, headers, body } = await Promise.race([asked, aborted]);
    // A body that is destroyed before its end emits an error. Only its reader shall get it.
    body.on('error', () => {});
    const joined = Object.entries(headers).map(([name, value]) => [name, [value ?? ''].flat().join(', ')]);
    return { status: statusCode, headers: Object.fromEntries(joined), body };
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/**
 * GETs `url` and follows redirects. A busy server is asked up to three times. Any status is an answer; no
 * answer (or an aborted signal) is an error.
 */
export async function get(url: string, options: GetOptions = {}): Promise<Response> {
  let target = new URL(url);
  let redirects = 0;
  for (let pauses = 0; ; ) {
    const response = await once(target, options);
    const { status, headers, body } = response;
    const pause = status === 429 || status >= 500 ? PAUSES_MS[pauses] : undefined;
    if (pause !== undefined) {
      body.destroy();
      const said = headers['retry-after'] ?? '';
      const wait = /^\d+$/.test(said) ? Number(said) * 1000 : pause;
      await sleep(Math.min(wait, LONGEST_PAUSE_MS), undefined, { ...options });
      pauses++;
    } else if ([301, 302, 303, 307, 308].includes(status) && headers.location !== undefined) {
      body.destroy();
      if (++redirects > MAX_REDIRECTS) throw new Error(`more than ${MAX_REDIRECTS} redirects from ${url}`);
      target = new URL(headers.location, target);
    } else return response;
  }
}

/** GETs a whole body of at most `limit` bytes. Undefined if the server answers 404 or 410. */
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
  return await readBody(body, limit, () => new Error(`more than the expected ${limit} bytes`));
}

/**
 * The whole body of an answer. Throws the result of `tooLarge` as soon as there are more than `limit` bytes.
 */
export async function readBody(body: Readable, limit: number, tooLarge: () => Error): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) {
      body.destroy();
      throw tooLarge();
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * The error of a connection that ended in the middle of a body; a Failure stays as it is. `who`: the server, for people.
 * `where`: the URL.
 */
export function brokeOff(who: string, where: string, cause: unknown): Failure {
  if (cause instanceof Failure) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new Failure(`${who} broke off: ${reason}`, { where, hint: 'try again', cause });
}

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { PrivateKey, PublicKey } from 'openpgp';
import { sha256 } from '../../sdk/lib/files.ts';
import { packagesText, type Stanzas } from './fixtures.ts';
import { storeXz } from './testing.ts';

/** For tests: an archive on 127.0.0.1, signed with a key made for the test. */

export const TEST_TIME = Date.parse('2026-01-10T12:00:00Z') / 1000;

/** A key pair that signs the test archive. */
export interface TestKey {
  readonly privateKey: PrivateKey;
  readonly publicKey: PublicKey;
}

/** Makes an Ed25519 key pair. */
export async function makeKey(): Promise<TestKey> {
  const { generateKey } = await import('openpgp');
  return await generateKey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    userIDs: [{ name: 'test' }],
    date: new Date('2025-01-01T00:00:00Z'),
    format: 'object',
  });
}

/** Signs a text in the form of an InRelease file, at TEST_TIME. */
export async function clearSign(text: string, { privateKey }: TestKey): Promise<string> {
  const { createCleartextMessage, sign } = await import('openpgp');
  const message = await createCleartextMessage({ text });
  return await sign({ message, signingKeys: privateKey, date: new Date((TEST_TIME - 3600) * 1000) });
}

/** The parts of an InRelease file of the test archive. */
export interface ReleaseParts {
  readonly suite: string;
  readonly date?: string;
  readonly validUntil?: string;
  readonly files?: Readonly<Record<string, Uint8Array>>;
}

/** Makes the text of a Release file, without a signature. */
export function releaseText({
  suite,
  date = 'Sat, 10 Jan 2026 10:00:00 UTC',
  validUntil,
  files = {},
}: ReleaseParts): string {
  const sums = Object.entries({ 'main/none': Buffer.from(''), ...files }).map(
    ([path, data]) => ` ${sha256(data)} ${data.length} ${path}`,
  );
  const until = validUntil === undefined ? [] : [`Valid-Until: ${validUntil}`];
  return [`Codename: ${suite}`, `Date: ${date}`, ...until, 'SHA256:', ...sums, ''].join('\n');
}

/** A private cache for this test file. */
export async function temporaryCache(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'draisine-debian-'));
  process.env.DRAISINE_CACHE = folder;
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A web server with the files of a test archive. */
export interface TestMirror {
  /** Without a slash at the end. */
  readonly url: string;
  /** Path → content, or a function that answers the request. */
  readonly files: Map<string, Buffer | ((request: IncomingMessage, response: ServerResponse) => void)>;
  /** `PATH` or `PATH bytes=N-` of every request, in order. */
  readonly requests: string[];
}

/** Starts the server. It supports ranges, answers 404 for all other paths, and stops when the test ends. */
export async function startMirror(t: TestContext): Promise<TestMirror> {
  const files: TestMirror['files'] = new Map();
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    const { range } = request.headers;
    requests.push(range === undefined ? path : `${path} ${range}`);
    const file = files.get(path);
    if (typeof file === 'function') return file(request, response);
    if (file === undefined) return response.writeHead(404).end();
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
    if (from === 0) return response.writeHead(200, { 'content-length': file.length }).end(file);
    if (from >= file.length) return response.writeHead(416).end();
    return response.writeHead(206, { 'content-length': file.length - from }).end(file.subarray(from));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, files, requests };
}

/**
 * Puts a signed suite on a mirror, below `base` (`/debian`). It has a Packages index for each component; `sources` is
 * the Sources index of main.
 */
export async function publish(
  mirror: TestMirror,
  base: string,
  key: TestKey,
  { sources = '', ...parts }: Omit<ReleaseParts, 'files'> & { readonly sources?: string },
  components: Readonly<Record<string, Stanzas>>,
): Promise<void> {
  const files: Record<string, Uint8Array> = {};
  const add = (path: string, text: string) => {
    files[path] = Buffer.from(text);
    files[`${path}.xz`] = storeXz(files[path]);
    mirror.files.set(`${base}/dists/${parts.suite}/${path}.xz`, Buffer.from(files[`${path}.xz`]!));
  };
  for (const component of ['main', 'contrib', 'non-free-firmware']) {
    add(`${component}/binary-amd64/Packages`, packagesText(components[component] ?? {}));
    add(`${component}/source/Sources`, component === 'main' ? sources : '');
  }
  const signed = await clearSign(releaseText({ ...parts, files }), key);
  mirror.files.set(`${base}/dists/${parts.suite}/InRelease`, Buffer.from(signed));
}

import { createWriteStream, existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { badInput, errorCode, Failure, ifThere } from '../../sdk/lib/errors.ts';
import { type Sha256, sha256, sha256File } from '../../sdk/lib/files.ts';
import { warn } from '../../sdk/lib/log.ts';
import { addBlob, blobPath, checkBlob } from '../graph/blobs.ts';
import type { Action } from '../graph/key.ts';
import { type ActionRecord, parseRecord } from '../graph/record.ts';
import { makeSlots } from '../graph/slots.ts';
import { type Store, temporaryPath } from '../graph/store.ts';
import { keysFolder } from '../keys/keys.ts';
import { fingerprint, isSignedBy, publicKey, signText } from '../keys/ssh.ts';
import { brokeOff, readBody } from '../net/http.ts';
import { parseFormat } from '../release/format/read.ts';
import { actionName, blobName, remoteBase } from './address.ts';
import { type RemoteClient, remoteClient } from './client.ts';

/*
 * A store that other builds have filled: all machines fetch the outputs of a build farm. Content is named by
 * its SHA-256, and is checked.
 * The record of an action is a claim about its output. It counts only if a key in `store.pub` has signed it.
 */

const NAMESPACE = 'draisine-store';
/** The name of the store in errors. */
const REMOTE = 'the remote store';
/** Number of records, and of programs checking signatures, at once. */
const AT_ONCE = 8;
const RECORD_LIMIT = 1 << 20;

/** The remote store in the form that a build needs. */
export interface Remote {
  /** The output of an action, signed by a trusted key; undefined if the store has no record of it. */
  record(action: Action): Promise<ActionRecord | undefined>;
  /** Fetches content into the local store; false if the remote store does not have it, or has other bytes. */
  fetchBlob(store: Store, digest: Sha256): Promise<boolean>;
  /** Digests of contents whose bytes in the remote store were wrong during this build. A push replaces them. */
  readonly wrong: ReadonlySet<Sha256>;
}

/** The remote store of the environment; undefined if there is none. */
export async function openRemote(): Promise<Remote | undefined> {
  const base = remoteBase();
  if (base === undefined) return undefined;
  return makeRemote(remoteClient(base), await trustedKeys(keysFolder()));
}

/** Public keys whose records count: the lines of `store.pub`. */
export async function trustedKeys(folder: string): Promise<string[]> {
  const path = join(folder, 'store.pub');
  const text = (await ifThere(readFile(path, 'utf8'))) ?? '';
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
  return lines.map((line) => publicKey(line, path));
}

/**
 * After a failure the store is not asked any more during this build, with one warning: its outputs can be
 * made here as well.
 */
export function makeRemote(client: RemoteClient, trusted: readonly string[]): Remote {
  const slots = makeSlots(AT_ONCE);
  const wrong = new Set<Sha256>();
  let failed = false;
  const attempt = async <T>(work: () => Promise<T>, otherwise: T): Promise<T> => {
    if (failed) return otherwise;
    await slots.acquire(false);
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Failure) || error.exitCode === 2) throw error;
      if (!failed) warn(`${error.message} (${error.where}); building without it`);
      failed = true;
      return otherwise;
    } finally {
      slots.release();
    }
  };
  if (trusted.length === 0)
    warn(
      `no key of the remote store is trusted: put its store.pub in ${keysFolder()}; only packages come from it`,
    );
  return {
    record: (action) =>
      attempt(
        async () => (trusted.length === 0 ? undefined : await readRemoteRecord(client, trusted, action)),
        undefined,
      ),
    fetchBlob: (store, digest) => attempt(() => fetchRemoteBlob(client, store, digest, wrong), false),
    wrong,
  };
}

async function textOf(client: RemoteClient, name: string): Promise<string | undefined> {
  const body = await client.get(name);
  if (!body) return undefined;
  const tooLarge = () => new Failure('a record of the remote store is too large', { where: name });
  try {
    return (await readBody(body, RECORD_LIMIT, tooLarge)).toString('utf8');
  } catch (error) {
    throw brokeOff(REMOTE, `${client.base}/${name}`, error);
  }
}

/**
 * A record of the remote store; undefined if there is none, or if the record is damaged or not trusted. `tell`: the
 * warning says that such a record is ignored, or that it is replaced.
 */
async function readRemoteRecord(
  client: RemoteClient,
  trusted: readonly string[],
  { key, pinned }: Action,
  tell: 'ignored' | 'replaced' = 'ignored',
): Promise<ActionRecord | undefined> {
  const name = actionName(key);
  const text = await textOf(client, name);
  if (text === undefined) return undefined;
  if (text.trimStart().startsWith('<'))
    throw new Failure(`${REMOTE} sends web pages instead of records`, {
      where: `${client.base}/${name}`,
      hint: 'check DRAISINE_REMOTE: another server, or the login page of a network, answers there',
    });
  const ignored = (why: string): undefined => {
    warn(`the remote store has a record that ${why}; ${tell} (${client.base}/${name})`);
  };
  let envelope: Awaited<ReturnType<typeof parseFormat<'envelope'>>>;
  try {
    envelope = await parseFormat('envelope', text, name);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return ignored(`cannot be read: ${error.message}`);
  }
  const keys = new Map(trusted.map((line) => [fingerprint(line), line]));
  const { signed, signatures } = envelope;
  let good = false;
  for (const { key: id, sshsig } of signatures) {
    const line = keys.get(id);
    good ||= line !== undefined && (await isSignedBy(signed, NAMESPACE, line, sshsig));
  }
  if (!good) return ignored('no trusted key has signed');
  const record = parseRecord(signed, key);
  if (!record || (pinned !== undefined && record.digest !== pinned))
    return ignored('belongs to another action');
  return record;
}

async function fetchRemoteBlob(
  client: RemoteClient,
  store: Store,
  digest: Sha256,
  wrong: Set<Sha256>,
): Promise<boolean> {
  const body = await client.get(blobName(digest));
  if (!body) return false;
  const temporary = await temporaryPath(store);
  try {
    await pipeline(body, createWriteStream(temporary));
    if ((await sha256File(temporary)) !== digest) {
      wrong.add(digest);
      warn(
        `the remote store has other bytes under ${digest}; not taken. build --push replaces them in this build; else remove ${client.base}/${blobName(digest)}, and build --push sends it again`,
      );
      return false;
    }
    await addBlob(store, { path: temporary });
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOSPC') throw error;
    throw brokeOff(REMOTE, `${client.base}/${blobName(digest)}`, error);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** The result of a push. Content that was there already does not count. */
export interface Pushed {
  readonly records: number;
  readonly blobs: number;
  /** Bytes sent. */
  readonly bytes: number;
}

/** Options of a push. */
export interface PushOptions {
  /** The folder of the keys. */
  readonly folder?: string;
  /** Digests of contents whose bytes in the remote store are known to be wrong. */
  readonly wrong?: ReadonlySet<Sha256>;
}

/**
 * Pushes the outputs of a build to the remote store: first the content, then the record of it, signed with the private
 * key `store` of the keys' folder. Correct content and records that are there are not sent again.
 * A push replaces content in `wrong`, and content of another size, which an interrupted upload leaves. It also replaces
 * a record that cannot be read, that no trusted key has signed, or whose output cannot be fetched.
 */
export async function pushAll(
  client: RemoteClient,
  store: Store,
  made: readonly { readonly action: Action; readonly record: ActionRecord }[],
  { folder = keysFolder(), wrong = new Set() }: PushOptions = {},
): Promise<Pushed> {
  const key = join(folder, 'store');
  if (!existsSync(`${key}.pub`))
    throw badInput('there is no key to sign records of the store with', {
      where: key,
      hint: 'make it: ssh-keygen -t ed25519 -N "" -f PATH; add its .pub to store.pub of the machines that fetch',
    });
  const signer = publicKey(await readFile(`${key}.pub`, 'utf8'), `${key}.pub`);
  const scratch = await mkdtemp(join(tmpdir(), 'draisine-push-'));
  const slots = makeSlots(AT_ONCE);
  const sent = { records: 0, blobs: 0, bytes: 0 };
  const pushing = new Map<Sha256, Promise<boolean>>();
  const blob = (digest: Sha256): Promise<boolean> => {
    const known = pushing.get(digest) ?? pushBlob(client, store, digest, wrong.has(digest), sent);
    pushing.set(digest, known);
    return known;
  };
  const trusted = [signer, ...(await trustedKeys(folder))];
  const push = async (action: Action, record: ActionRecord): Promise<void> => {
    const there = await readRemoteRecord(client, trusted, action, 'replaced');
    const digests = [...(record.kind === 'file' ? [record.digest] : []), ...record.refs];
    const all = await Promise.all(digests.map(blob));
    if (all.includes(false)) return; // Missing in the local store by now: other machines make it themselves.
    if (there && (there.digest === record.digest || (await isServed(client, there, wrong)))) return;
    const signed = JSON.stringify({ ...record, key: action.key });
    const sshsig = await signText(signed, NAMESPACE, key);
    const text = JSON.stringify({ signed, signatures: [{ key: fingerprint(signer), sshsig }] });
    const path = join(scratch, action.key);
    await writeFile(path, text);
    await client.put(actionName(action.key), { path, size: Buffer.byteLength(text), sha256: sha256(text) });
    sent.records++;
  };
  try {
    await Promise.all(
      made.map(async ({ action, record }) => {
        await slots.acquire(false);
        try {
          await push(action, record);
        } finally {
          slots.release();
        }
      }),
    );
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return sent;
}

/** Whether the remote store has the output of another build's record. This machine does not have that output. */
async function isServed(
  client: RemoteClient,
  { kind, digest, size }: ActionRecord,
  wrong: ReadonlySet<Sha256>,
): Promise<boolean> {
  if (kind !== 'file') return true;
  const there = wrong.has(digest) ? undefined : await client.find(blobName(digest));
  return there !== undefined && (there.size ?? size) === size;
}

async function pushBlob(
  client: RemoteClient,
  store: Store,
  digest: Sha256,
  isWrong: boolean,
  sent: { blobs: number; bytes: number },
): Promise<boolean> {
  if (!(await checkBlob(store, digest))) return false;
  const path = blobPath(store, digest);
  const { size } = await stat(path);
  const there = isWrong ? undefined : await client.find(blobName(digest));
  if (there && (there.size ?? size) === size) return true;
  await client.put(blobName(digest), { path, size, sha256: digest });
  sent.blobs++;
  sent.bytes += size;
  return true;
}

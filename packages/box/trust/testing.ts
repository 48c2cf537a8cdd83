import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FORMAT, type RoleName } from '../../../build/release/format/namespaces.ts';
import type { Channel, Release, Root } from '../../../build/release/format/types.ts';
import {
  makeSigningKeys,
  type RolePlan,
  type SigningPlan,
  signersIn,
} from '../../../build/release/signing.ts';
import { addSignature, formatEnvelope } from '../../../build/release/trust/envelope.ts';
import { type NodeBox, nodeBox } from '../io/node.ts';
import { parseEnvelope, parseRoot } from './documents.ts';

const one: RolePlan = { threshold: 1, count: 1, given: [] };

/** Keys and a root in a folder, as `./draisine keys init` makes them. */
export async function testKeys(folder: string, plan: Partial<SigningPlan> = {}, now?: number): Promise<Root> {
  return (await makeSigningKeys(folder, { root: one, release: one, channel: one, ...plan }, now)).value;
}

export function keptRoot(folder: string, file = 'root.json'): { text: string; where: string; root: Root } {
  const where = join(folder, file);
  const text = readFileSync(where, 'utf8');
  return { text, where, root: parseRoot(parseEnvelope(text, file, where).signed, where) };
}

/** A document in its envelope, signed with the first `count` keys of a role. */
export async function signDocument(
  folder: string,
  role: RoleName,
  value: object,
  { count = 1, as = role }: { readonly count?: number; readonly as?: RoleName } = {},
): Promise<string> {
  let envelope = {
    signed: `${JSON.stringify(value)}\n`,
    signatures: [] as { key: string; sshsig: string }[],
  };
  const signers = (await signersIn(folder)).filter(({ name }) => name.startsWith(`${role}-`)).slice(0, count);
  for (const { key, publicKey } of signers) envelope = await addSignature(envelope, as, key, publicKey);
  return formatEnvelope(envelope);
}

export const DIGEST = 'ab'.repeat(32);

export function channelOf(changes: Partial<Channel> = {}): Channel {
  return {
    format: FORMAT,
    image: 'n100',
    channel: 'stable',
    serial: 5,
    issued: '2026-11-29T12:00:00Z',
    expires: '2026-12-06T12:00:00Z',
    version: '2026.1129.0',
    release: DIGEST,
    barriers: [],
    withdrawn: [],
    ...changes,
  };
}

export function releaseOf(changes: Partial<Release> = {}): Release {
  return {
    format: FORMAT,
    image: 'n100',
    version: '2026.1129.0',
    date: '2026-11-29T00:00:00Z',
    rootHash: DIGEST,
    usr: { data: 8192, hash: 8192, hashOffset: 8192 },
    files: { 'usr.img': { size: 16384, sha256: DIGEST }, 'uki.efi': { size: 4096, sha256: DIGEST } },
    kernel: '6.12.57',
    severity: 'none',
    ...changes,
  };
}

/** A box with the host's ssh-keygen. */
export function verifyingBox(root: string): { box: NodeBox; options: { path: (inside: string) => string } } {
  const box = nodeBox({ root });
  for (const folder of ['/run/draisine', '/var/lib/draisine/update', '/usr/share/draisine'])
    box.makeFolder(folder);
  return { box, options: { path: box.path } };
}

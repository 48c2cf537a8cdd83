import { badInput, Failure } from '../../../sdk/lib/errors.ts';
import { fingerprint, isSignedBy, publicKey, signText } from '../../keys/ssh.ts';
import { NAMESPACES, type RoleName } from '../format/namespaces.ts';
import { type Formats, parseFormat } from '../format/read.ts';
import type { Envelope, Role, Root } from '../format/types.ts';

/** The documents that an envelope may hold. A test report is signed in the same way as a release. */
export type SignedName = 'root' | 'release' | 'channel' | 'report';

/**
 * The namespace of a file's signatures (ssh-keygen(1), -n). A release key also signs test reports, so both
 * share one.
 */
function namespaceOf(name: SignedName): string {
  return NAMESPACES[name === 'report' ? 'release' : name];
}

/** A signed file that was read, without a check of its signatures. */
export interface Opened<N extends SignedName> {
  readonly envelope: Envelope;
  readonly value: Formats[N];
  readonly where: string;
}

/** The text of a signed file. Equal envelopes give equal bytes. */
export function formatEnvelope({ signed, signatures }: Envelope): string {
  const sorted = [...signatures].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return `${JSON.stringify({ signed, signatures: sorted.map(({ key, sshsig }) => ({ key, sshsig })) }, null, 2)}\n`;
}

/**
 * Reads a signed file and its document, without a check of signatures.
 * @throws badInput
 */
export async function openEnvelope<N extends SignedName>(
  name: N,
  text: string,
  where: string,
): Promise<Opened<N>> {
  const envelope = await parseFormat('envelope', text, where);
  return { envelope, value: await parseFormat(name, envelope.signed, where), where };
}

/** The envelope with one more signature, by a key in the form of `signText`. `signer`: its public half. */
export async function addSignature(
  envelope: Envelope,
  name: SignedName,
  key: string,
  signer: string,
): Promise<Envelope> {
  const id = fingerprint(signer);
  const sshsig = await signText(envelope.signed, namespaceOf(name), key);
  if (!(await isSignedBy(envelope.signed, namespaceOf(name), signer, sshsig)))
    throw new Failure('the signature is by another key', { where: key, hint: `it must be of ${id}` });
  return {
    signed: envelope.signed,
    signatures: [...envelope.signatures.filter((each) => each.key !== id), { key: id, sshsig }],
  };
}

/**
 * The keys of a role that have signed, by fingerprint. Other signatures do not count, and a key counts once.
 */
export async function signersOf(
  { envelope }: Opened<SignedName>,
  name: SignedName,
  role: Role,
  root: Root,
): Promise<string[]> {
  const found: string[] = [];
  for (const id of new Set(role.keys)) {
    const key = root.keys[id];
    const signature = envelope.signatures.find((each) => each.key === id);
    if (key === undefined || signature === undefined || fingerprint(publicKey(key, 'root.json')) !== id)
      continue;
    if (await isSignedBy(envelope.signed, namespaceOf(name), key, signature.sshsig)) found.push(id);
  }
  return found;
}

/**
 * Checks that enough keys of a role have signed. `least`: another number than the role's threshold.
 * @throws if there are fewer
 */
export async function checkSigned(
  opened: Opened<SignedName>,
  name: SignedName,
  root: Root,
  least?: number,
): Promise<void> {
  const roleName: RoleName = name === 'report' ? 'release' : name;
  const role = root.roles[roleName];
  const signers = await signersOf(opened, name, role, root);
  const want = least ?? role.threshold;
  if (signers.length >= want) return;
  const others = opened.envelope.signatures.map(({ key }) => key).filter((key) => !signers.includes(key));
  throw badInput(
    `${signers.length} of the ${want} signatures that it needs are good` +
      (others.length > 0 ? `; not good: ${others.join(', ')}` : ''),
    {
      where: opened.where,
      hint: `keys of the role ${roleName} (root.json number ${root.number}): ${role.keys.join(', ')}`,
    },
  );
}

/** Whether enough keys of a role have signed. The arguments are those of `checkSigned`. */
export async function isSigned(...given: Parameters<typeof checkSigned>): Promise<boolean> {
  try {
    await checkSigned(...given);
    return true;
  } catch (error) {
    if (error instanceof Failure) return false;
    throw error;
  }
}

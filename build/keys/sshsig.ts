import { createHash, createPublicKey, verify } from 'node:crypto';

/*
 * The check of an Ed25519 signature in the SSH format (OpenSSH's PROTOCOL.sshsig) in this process. A start of ssh-keygen
 * takes a hundred times as long, and a build may check a signature for each of its targets.
 */

const TYPE = 'ssh-ed25519';
const MAGIC = 'SSHSIG';
const VERSION = 1;
/** The DER header of an Ed25519 public key (RFC 8410, section 4). The 32 bytes of the key follow. */
const DER_HEADER = Buffer.from('302a300506032b6570032100', 'hex');
const ARMOUR =
  /^-----BEGIN SSH SIGNATURE-----\n((?:[A-Za-z0-9+/]+\n)*[A-Za-z0-9+/]+={0,2}\n)-----END SSH SIGNATURE-----\n?$/;

/** A string of the SSH protocol: its length as 4 bytes, then its bytes (RFC 4251, section 5). */
function packed(text: string | Buffer): Buffer {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** The strings of which the bytes consist; undefined if anything else is there. */
function unpacked(bytes: Buffer): Buffer[] | undefined {
  const strings: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 4 > bytes.length) return undefined;
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) return undefined;
    strings.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return strings;
}

/**
 * True if `signature` certainly is the Ed25519 signature of exactly this text, in this namespace, by this public key
 * (of `publicKey`). False for a wrong signature, and for all that this function does not know: another type of key,
 * another form. Only ssh-keygen can say then.
 */
export function isEd25519Signed(text: string, namespace: string, key: string, signature: string): boolean {
  const [type, encoded = ''] = key.split(' ');
  const armoured = ARMOUR.exec(signature)?.[1];
  if (type !== TYPE || armoured === undefined) return false;
  const keyBlob = Buffer.from(encoded, 'base64');
  const [keyType, point] = unpacked(keyBlob) ?? [];
  if (keyType?.toString() !== TYPE || point?.length !== 32) return false;

  const bytes = Buffer.from(armoured, 'base64');
  const head = Buffer.concat([Buffer.from(MAGIC), Buffer.from([0, 0, 0, VERSION])]);
  if (!bytes.subarray(0, head.length).equals(head)) return false;
  const fields = unpacked(bytes.subarray(head.length));
  if (fields?.length !== 5) return false;
  const [signer, space, reserved, hash, signed] = fields as [Buffer, Buffer, Buffer, Buffer, Buffer];
  const [signedType, raw, ...rest] = unpacked(signed) ?? [];
  if (!signer.equals(keyBlob) || space.toString() !== namespace || reserved.length !== 0) return false;
  if (signedType?.toString() !== TYPE || raw?.length !== 64 || rest.length > 0) return false;
  const algorithm = hash.toString();
  if (algorithm !== 'sha512' && algorithm !== 'sha256') return false;
  const digest = createHash(algorithm).update(text).digest();
  const message = [Buffer.from(MAGIC), ...[namespace, reserved, algorithm, digest].map(packed)];
  const der = Buffer.concat([DER_HEADER, point]);
  return verify(
    null,
    Buffer.concat(message),
    createPublicKey({ key: der, format: 'der', type: 'spki' }),
    raw,
  );
}

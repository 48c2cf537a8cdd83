import type { PublicKey } from 'openpgp';
import { Failure } from '../../sdk/lib/errors.ts';
import { type Sha256, sha256 } from '../../sdk/lib/files.ts';
import { parseStanzas, type Stanza } from './control.ts';

/** A verified InRelease: the root of the hash chain of one suite. Times are seconds since the epoch. */
export interface Release {
  readonly suite: string;
  readonly date: number;
  /** Undefined if it is valid until a newer one replaces it, as in Debian's stable suite. */
  readonly validUntil: number | undefined;
  readonly sha256: Sha256;
  readonly byHash: boolean;
  /** By path below `dists/SUITE/`. */
  readonly files: ReadonlyMap<string, { readonly sha256: Sha256; readonly size: number }>;
}

/** The conditions that a release file must meet. */
export interface ReleaseChecks {
  /** The wanted suite. An InRelease of another suite is refused. */
  readonly suite: string;
  /** URL or path, for errors. */
  readonly where: string;
  readonly keys: readonly PublicKey[];
  /** The time of the check, seconds since the epoch. */
  readonly now: number;
  /** The date of the index in the existing lock. An older InRelease is refused. */
  readonly notBefore?: number | undefined;
}

const DAY = 86_400;

/** Checks the OpenPGP signature (RFC 9580, section 7) and returns the signed text, without any text around it. */
async function signedText(raw: string, { where, keys, now }: ReleaseChecks): Promise<string> {
  const { readCleartextMessage, verify } = await import('openpgp');
  const message = await readCleartextMessage({ cleartextMessage: raw }).catch((cause: unknown) => {
    throw new Failure('InRelease is not an OpenPGP cleartext message', {
      where,
      hint: 'try another mirror',
      cause,
    });
  });
  const { signatures } = await verify({
    message,
    verificationKeys: [...keys],
    date: new Date(now * 1000),
  });
  const reasons: string[] = [];
  for (const signature of signatures) {
    try {
      await signature.verified;
      return message.getText();
    } catch (error) {
      reasons.push(
        `key ${signature.keyID.toHex()}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
  throw new Failure(
    `no valid signature of a pinned Debian archive key (${reasons.join('; ') || 'no signature at all'})`,
    {
      where,
      hint: 'try another mirror; if Debian has new keys, update keys.ts from package debian-archive-keyring',
    },
  );
}

function seconds(stanza: Stanza, field: string, where: string): number | undefined {
  const text = stanza.get(field);
  if (text === undefined) return undefined;
  const value = Date.parse(text);
  if (Number.isNaN(value))
    throw new Failure(`cannot read ${field}: ${text}`, {
      where,
      hint: 'try another mirror',
    });
  return value / 1000;
}

function iso(time: number): string {
  return new Date(time * 1000).toISOString();
}

/**
 * Verifies an InRelease file (Debian wiki, DebianRepository/Format; apt-secure(8)). It must have a valid signature by a
 * pinned key, be of the wanted suite, be dated neither in the future nor before the index in the lock, and not be past
 * its `Valid-Until`. Any fault is a Failure.
 */
export async function verifyRelease(raw: string, checks: ReleaseChecks): Promise<Release> {
  const { suite, where, now, notBefore } = checks;
  const stanza = parseStanzas(await signedText(raw, checks), where)[0] ?? new Map<string, string>();

  if (stanza.get('codename') !== suite) {
    throw new Failure(`InRelease is of suite ${stanza.get('codename') ?? '(unnamed)'}, not of ${suite}`, {
      where,
      hint: 'correct the mirror',
    });
  }
  const date = seconds(stanza, 'date', where);
  const validUntil = seconds(stanza, 'valid-until', where);
  if (date === undefined)
    throw new Failure('InRelease has no Date', {
      where,
      hint: 'try another mirror',
    });
  if (date > now + DAY) {
    throw new Failure(`InRelease is dated in the future: ${iso(date)}`, {
      where,
      hint: 'set the clock of this host',
    });
  }
  if (validUntil !== undefined && validUntil < now) {
    throw new Failure(`InRelease was valid until ${iso(validUntil)}; it is ${iso(now)}`, {
      where,
      hint: 'the mirror is out of date, use another (--mirror URL)',
    });
  }
  if (notBefore !== undefined && date < notBefore) {
    throw new Failure(`InRelease of ${iso(date)} is older than the one in the lock, of ${iso(notBefore)}`, {
      where,
      hint: 'the mirror is out of date, or sends old indexes on purpose: use another one (--mirror URL)',
    });
  }

  const files = new Map<string, { sha256: Sha256; size: number }>();
  for (const line of (stanza.get('sha256') ?? '').split('\n')) {
    const [hash, size, path] = line.trim().split(/\s+/);
    if (hash && size && path && /^[0-9a-f]{64}$/.test(hash))
      files.set(path, { sha256: hash, size: Number(size) });
  }
  if (files.size === 0)
    throw new Failure('InRelease lists no SHA256 sums', {
      where,
      hint: 'try another mirror',
    });
  return {
    suite,
    date,
    validUntil,
    sha256: sha256(raw),
    byHash: stanza.get('acquire-by-hash') === 'yes',
    files,
  };
}

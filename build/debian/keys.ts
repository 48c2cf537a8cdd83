import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { PublicKey } from 'openpgp';
import { Failure } from '../../sdk/lib/errors.ts';

/**
 * Debian's archive keys, pinned by fingerprint. Source: package debian-archive-keyring 2025.1 of trixie, compared with
 * the one of bookworm and with https://ftp-master.debian.org/keys.html. The files in keys/ are these keys, armored.
 */
export const archiveKeys: Readonly<Record<string, string>> = {
  'trixie-automatic': '04b54c3cdca79751b16bc6b5225629df75b188bd',
  'trixie-security-automatic': '5e04a1e3223a19a20706e20f9904613d4cce68c6',
  'trixie-stable': '41587f7db8c774bccf131416762f67a0b2c39de4',
  'bookworm-automatic': 'b8b80b5b623eab6ad8775c45b7c5d7d6350947f8',
  'bookworm-security-automatic': '05ab90340c0c5e797f44a8c8254cf3b5aec0a8f0',
  'bookworm-stable': '4d64fec119c2029067d6e791f8d2585b8783d481',
};

/** Reads the pinned keys. A key file that is not the pinned key is an error. */
export async function readArchiveKeys(): Promise<PublicKey[]> {
  const { readKey } = await import('openpgp'); // loaded late: it is slow to load, and only `lock` and `resolve` need it
  return await Promise.all(
    Object.entries(archiveKeys).map(async ([name, fingerprint]) => {
      const path = fileURLToPath(new URL(`keys/${name}.asc`, import.meta.url));
      const key = await readKey({ armoredKey: await readFile(path, 'utf8') });
      if (key.getFingerprint() !== fingerprint) {
        throw new Failure(`the key file is not the pinned key: it has fingerprint ${key.getFingerprint()}`, {
          where: path,
          hint: `restore it from git; the key pinned in keys.ts has fingerprint ${fingerprint}`,
        });
      }
      return key;
    }),
  );
}

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Failure } from '../../../sdk/lib/errors.ts';

/**
 * The magic at the end of a signed module (Documentation/admin-guide/module-signing.rst). Before it are the signature
 * and 12 bytes of information about it.
 */
const MAGIC = Buffer.from('~Module signature appended~\n');
const TRAILER = 12;
/** PKEY_ID_PKCS7 (include/linux/module_signature.h). */
const PKCS7 = 2;

/** Removes the signature of a kernel module. */
export function unsignedModule(module: Buffer): Buffer {
  if (!module.subarray(-MAGIC.length).equals(MAGIC)) throw new Failure('the module is not signed');
  const about = module.length - MAGIC.length - TRAILER;
  return module.subarray(0, about - module.readUInt32BE(about + 8));
}

/** Signs a module with a new key that no kernel knows. */
export async function foreignModule(unsigned: Buffer): Promise<Buffer> {
  const draisine = fileURLToPath(new URL('../../../draisine', import.meta.url));
  const dir = await mkdtemp(join(tmpdir(), `draisine-foreign-${process.pid}-`));
  const at = (name: string): string => join(dir, name);
  const openssl = async (...args: string[]): Promise<void> => {
    await promisify(execFile)(draisine, ['sdk', 'run', '--', 'openssl', ...args]);
  };
  try {
    await writeFile(at('module'), unsigned);
    await writeFile(
      at('config'),
      '[req]\ndistinguished_name = name\nprompt = no\n[name]\nCN = somebody else\n',
    );
    await openssl(
      ...['req', '-new', '-x509', '-nodes', '-newkey', 'rsa:2048', '-days', '2', '-config', at('config')],
      ...['-keyout', at('key'), '-out', at('certificate')],
    );
    await openssl(
      ...[
        'cms',
        '-sign',
        '-binary',
        '-noattr',
        '-nocerts',
        '-nosmimecap',
        '-md',
        'sha512',
        '-outform',
        'DER',
      ],
      ...['-signer', at('certificate'), '-inkey', at('key'), '-in', at('module'), '-out', at('signature')],
    );
    const signature = await readFile(at('signature'));
    const about = Buffer.alloc(TRAILER);
    about.writeUInt8(PKCS7, 2);
    about.writeUInt32BE(signature.length, 8);
    return Buffer.concat([unsigned, signature, about, MAGIC]);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

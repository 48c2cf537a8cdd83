import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { badInput, errorCode, Failure } from '../../sdk/lib/errors.ts';
import { runTool } from '../../sdk/tool.ts';

/*
 * The key that signs kernel modules, and its certificate, which is part of the kernel. They are made once,
 * outside of the checkout and of any build. So a build is a function of the lock and of this key.
 */

/** `modules.key`: a private key in PEM, or one line with a PKCS#11 URI (RFC 7512). */
const KEY = 'modules.key';
/** `modules.crt`: its X.509 certificate in PEM. */
const CERTIFICATE = 'modules.crt';

/** The pair of keys that signs kernel modules. The certificate is part of the kernel. */
export interface ModuleKey {
  /** For scripts/sign-file of the kernel. */
  readonly key: { readonly file: string } | { readonly pkcs11: string };
  readonly certificateFile: string;
}

/** Where the keys are: `DRAISINE_KEYS`, else `draisine/keys` of the user's configuration (XDG Base Directory). */
export function keysFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.DRAISINE_KEYS) return env.DRAISINE_KEYS;
  return join(env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'draisine', 'keys');
}

/** The certificate in PEM; undefined if there are no keys. */
export async function moduleCertificate(folder = keysFolder()): Promise<string | undefined> {
  try {
    return await readFile(join(folder, CERTIFICATE), 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw keysFailure(folder, error);
  }
}

/**
 * root.json of the folder. Images carry it, and a box trusts releases by its keys. Undefined if there is
 * none.
 */
export async function ownRoot(folder = keysFolder()): Promise<string | undefined> {
  try {
    return await readFile(join(folder, 'signing', 'root.json'), 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw keysFailure(folder, error);
  }
}

/**
 * Reads a certificate.
 * @throws badInput for any other text
 */
export function parseCertificate(certificate: string, folder = keysFolder()): X509Certificate {
  try {
    return new X509Certificate(certificate);
  } catch (error) {
    throw badInput('not a certificate', {
      where: join(folder, CERTIFICATE),
      hint: 'it must be X.509 in PEM: -----BEGIN CERTIFICATE-----',
      cause: error,
    });
  }
}

/** A system error at a path of the keys, with a hint; any other error unchanged. */
export function keysFailure(path: string, error: unknown): unknown {
  const code = errorCode(error);
  if (code === undefined || error instanceof Failure) return error;
  return badInput(`cannot use the keys (${code})`, {
    where: path,
    hint: 'set DRAISINE_KEYS to a folder that you may use',
    cause: error,
  });
}

/**
 * The private key of `certificate`, after a check of both.
 * @throws badInput for a key that could not sign, or whose modules would not load
 */
export async function signingKey(
  certificate: string,
  { folder = keysFolder(), now = Date.now() } = {},
): Promise<ModuleKey> {
  const file = join(folder, KEY);
  const certificateFile = join(folder, CERTIFICATE);
  if ((await moduleCertificate(folder)) !== certificate) {
    throw new Failure('the certificate changed while the build ran', {
      where: certificateFile,
      hint: 'build again',
    });
  }
  const parsed = parseCertificate(certificate, folder);
  if (Date.parse(parsed.validTo) <= now || Date.parse(parsed.validFrom) > now) {
    throw badInput(`the certificate is valid from ${parsed.validFrom} to ${parsed.validTo}, not now`, {
      where: certificateFile,
      hint: 'make a new one for this key (openssl req -x509), or new keys; machines trust modules by the kernel they run',
    });
  }
  const text = await privateKeyText(file);
  const [uri] = text.trim().split('\n');
  if (uri?.startsWith('pkcs11:')) return { key: { pkcs11: uri }, certificateFile };
  let matches: boolean;
  try {
    matches = parsed.checkPrivateKey(createPrivateKey(text));
  } catch (error) {
    throw badInput('not a usable private key', {
      where: file,
      hint: 'it must be PEM without a passphrase, or one line with a PKCS#11 URI',
      cause: error,
    });
  }
  if (!matches) {
    throw badInput('the certificate belongs to another key', {
      where: `${certificateFile} and ${KEY}`,
      hint: 'put the pair together again, or make new keys in another folder',
    });
  }
  return { key: { file }, certificateFile };
}

async function privateKeyText(file: string): Promise<string> {
  let mode: number;
  try {
    mode = (await stat(file)).mode;
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw keysFailure(file, error);
    throw badInput('there is a certificate, but no key to sign with', {
      where: file,
      hint: 'put the key of this certificate there, or make new keys: ./draisine keys init',
    });
  }
  if ((mode & 0o077) !== 0) {
    throw badInput(`others can read the key (mode ${(mode & 0o777).toString(8)})`, {
      where: file,
      hint: `chmod 600 ${file}, if you are sure that nobody has`,
    });
  }
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw keysFailure(file, error);
  }
}

/** Extensions as in Documentation/admin-guide/module-signing.rst. */
const REQUEST = `[req]
default_bits = 4096
distinguished_name = name
prompt = no
string_mask = utf8only
x509_extensions = extensions
[name]
CN = Draisine kernel modules
[extensions]
basicConstraints = critical,CA:FALSE
keyUsage = digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
`;

/**
 * Makes the pair of the module key in `folder`, both files or none. Never changes an existing pair. `sdk` has
 * openssl.
 */
export async function makeKeys(sdk: string, folder = keysFolder()): Promise<void> {
  const present = existsSync(folder);
  if ([KEY, CERTIFICATE].some((name) => existsSync(join(folder, name)))) {
    throw badInput('there are keys already', {
      where: folder,
      hint: 'use them, or set DRAISINE_KEYS to another folder for new ones',
    });
  }
  let made: string;
  try {
    await mkdir(dirname(folder), { recursive: true });
    made = await mkdtemp(`${folder}.tmp-`);
  } catch (error) {
    throw keysFailure(folder, error);
  }
  try {
    await chmod(made, 0o700);
    const request = join(made, 'request');
    await writeFile(request, REQUEST);
    const key = join(made, KEY);
    await writeFile(key, '', { mode: 0o600 });
    const certificate = join(made, CERTIFICATE);
    await runTool(sdk, 'openssl', [
      ...[
        'req',
        '-new',
        '-x509',
        '-nodes',
        '-utf8',
        '-sha512',
        '-days',
        '36500',
        '-batch',
        '-config',
        request,
      ],
      ...['-keyout', key, '-out', certificate],
    ]);
    await chmod(key, 0o600);
    await rm(request);
    if (!present) return await rename(made, folder);
    // The keys of releases may be in the folder already. The certificate comes last: without it there is no
    // pair.
    for (const name of [KEY, CERTIFICATE]) await rename(join(made, name), join(folder, name));
    await rm(made, { recursive: true });
  } catch (error) {
    await rm(made, { recursive: true, force: true });
    // Another process made a pair meanwhile. That pair is used.
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw keysFailure(folder, error);
  }
}

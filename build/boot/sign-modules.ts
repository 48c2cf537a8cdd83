import { existsSync, realpathSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { badInput } from '../../sdk/lib/errors.ts';
import { canonicalJson } from '../../sdk/lib/files.ts';
import { type Bind, runSandboxed } from '../../sdk/sandbox.ts';
import { recipe, type Target } from '../graph/target.ts';
import { type ModuleKey, signingKey } from '../keys/keys.ts';
import { openContents } from '../tree/content.ts';
import type { Entry, Tree } from '../tree/entry.ts';

/** The last bytes of a signed module (Documentation/admin-guide/module-signing.rst). */
const MAGIC = '~Module signature appended~\n';

/** The path of the PIN's file in the sandbox. */
const PIN = '/keys/pin';

/**
 * Configures openssl(1)'s PKCS#11 provider. The environment names its library. OpenSSL makes the digests, and the token
 * only signs. If SoftHSM had to make the digests, it would call the same OpenSSL and deadlock.
 */
const OPENSSL = `openssl_conf = init
[init]
providers = providers
[providers]
pkcs11 = pkcs11
[pkcs11]
pkcs11-module-block-operations = digest
pkcs11-module-quirks = no-deinit
`;

const SIGN = `
set -eu
key=$1
while read -r module; do
  /headers/scripts/sign-file sha512 "$key" /keys/certificate.pem "/modules/$module"
done </modules/list
`;

/**
 * Appends a signature to the modules of a tree with the kernel's own sign-file. Signatures are PKCS#1 v1.5 without a
 * time, so one key always gives the same bytes. The key is not an input: its certificate stands for it.
 */
export const signModules = recipe<{
  /** `Tree` */
  modules: Target;
  /** PEM */
  certificate: string;
  /** Headers of the kernel, with scripts/sign-file. */
  headers: Target;
  /** Tool tree with libcrypto. */
  compiler: Target;
  /** Tool tree with bwrap. */
  sandbox: Target;
}>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out, scratch, signal, blob, add }) {
    const key = await signingKey(inputs.certificate);
    const tree = JSON.parse(await readFile(inputs.modules.path, 'utf8')) as Tree;
    const folder = join(scratch, 'modules');
    const certificate = join(scratch, 'certificate.pem');
    await writeFile(certificate, inputs.certificate);
    const contents = await openContents(tree, blob);
    const files: Extract<Entry, { type: 'file' }>[] = [];
    try {
      for (const entry of tree.entries) {
        if (entry.type !== 'file' || !entry.path.endsWith('.ko')) continue;
        const bytes = contents.read(entry.content);
        if (bytes.subarray(-MAGIC.length).toString('latin1') === MAGIC) {
          throw badInput(`${basename(entry.path)} is signed already, with another key`, {
            where: entry.origin,
          });
        }
        await mkdir(dirname(join(folder, entry.path)), { recursive: true });
        await writeFile(join(folder, entry.path), bytes);
        files.push(entry);
      }
    } finally {
      contents.close();
    }
    await writeFile(join(folder, 'list'), files.map(({ path }) => `${path}\n`).join(''));
    const { argument, binds, env, pin } = keyAccess(key);
    // The PIN goes through a file, because other users can read command lines.
    const pinFile = join(scratch, 'pin');
    await writeFile(pinFile, pin, { mode: 0o600 });
    const settings = join(scratch, 'openssl.cnf');
    await writeFile(settings, OPENSSL);
    await runSandboxed(
      inputs.sandbox.path,
      {
        root: inputs.compiler.path,
        argv: ['/bin/bash', '-c', SIGN, 'sign', argument],
        env,
        binds: [
          { from: folder, to: '/modules', writable: true },
          { from: inputs.headers.path, to: '/headers' },
          { from: certificate, to: '/keys/certificate.pem' },
          { from: settings, to: '/keys/openssl.cnf' },
          { from: pinFile, to: PIN },
          ...binds,
        ],
      },
      { signal },
    );
    const signed = new Map<string, Entry>();
    for (const entry of files) {
      const bytes = await readFile(join(folder, entry.path));
      const digest = await add(bytes);
      signed.set(entry.path, {
        ...entry,
        content: { blob: digest, offset: 0, size: bytes.length, sha256: digest },
      });
    }
    const entries = tree.entries.map((entry) => signed.get(entry.path) ?? entry);
    await writeFile(out, canonicalJson({ entries } satisfies Tree));
  },
});

interface KeyAccess {
  /** The key in the form that sign-file takes: a path, or a PKCS#11 URI. */
  readonly argument: string;
  readonly binds: readonly Bind[];
  readonly env: Readonly<Record<string, string>>;
  readonly pin: string;
}

/** Gives the sandbox access to the key: to its file, or to the library of a token and the paths that it needs. */
function keyAccess({ key }: ModuleKey): KeyAccess {
  if ('file' in key) {
    return { argument: '/keys/key.pem', binds: [{ from: key.file, to: '/keys/key.pem' }], env: {}, pin: '' };
  }
  const library = process.env.DRAISINE_PKCS11_MODULE;
  if (!library) {
    throw badInput(
      'the key is on a PKCS#11 token, and DRAISINE_PKCS11_MODULE does not name a library for it',
      {
        where: key.pkcs11,
        hint: 'set DRAISINE_PKCS11_MODULE to the library, for example /usr/lib/x86_64-linux-gnu/opensc-pkcs11.so',
      },
    );
  }
  if (!existsSync(library)) {
    throw badInput('the PKCS#11 library does not exist', { where: `DRAISINE_PKCS11_MODULE=${library}` });
  }
  const path = realpathSync(library);
  const tokens = ['/run/pcscd', '/etc/softhsm', '/var/lib/softhsm', process.env.SOFTHSM2_CONF ?? ''];
  const pin = process.env.KBUILD_SIGN_PIN ?? '';
  return {
    // sign-file passes its PIN to OpenSSL's engines only. A provider reads the PIN from the file in the URI (RFC 7512, 2.4).
    argument:
      pin === '' ? key.pkcs11 : `${key.pkcs11}${key.pkcs11.includes('?') ? '&' : '?'}pin-source=file:${PIN}`,
    pin,
    binds: [
      { from: dirname(path), to: '/token' },
      ...tokens.filter((from) => from !== '' && existsSync(from)).map((from) => ({ from, to: from })),
    ],
    env: {
      OPENSSL_CONF: '/keys/openssl.cnf',
      PKCS11_PROVIDER_MODULE: `/token/${basename(path)}`,
      ...(process.env.SOFTHSM2_CONF ? { SOFTHSM2_CONF: process.env.SOFTHSM2_CONF } : {}),
    },
  };
}

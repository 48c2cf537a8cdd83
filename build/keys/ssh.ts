import { createHash } from 'node:crypto';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { badInput, errorCode, Failure } from '../../sdk/lib/errors.ts';
import { sha256 } from '../../sdk/lib/files.ts';
import { runCommand, ToolFailure } from '../../sdk/tool.ts';
import { isEd25519Signed } from './sshsig.ts';

/*
 * Signatures in the SSH format (ssh-keygen(1), -Y; OpenSSH's PROTOCOL.sshsig), made by the host's own
 * ssh-keygen: it reaches the user's agent and hardware keys, which a tool of the SDK could not.
 */

async function sshKeygen(args: readonly string[], stdin: string): Promise<string> {
  try {
    const command = { file: 'ssh-keygen', args, env: process.env };
    return (await runCommand(command, 'ssh-keygen', { stdin })).toString('utf8');
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    throw new Failure('there is no ssh-keygen on this machine', {
      hint: 'install it (Debian: openssh-client)',
      cause: error,
    });
  }
}

const PUBLIC_KEY =
  /^(ssh-ed25519|sk-ssh-ed25519@openssh\.com|ecdsa-sha2-nistp256|sk-ecdsa-sha2-nistp256@openssh\.com) ([A-Za-z0-9+/]+={0,2})(?:\s.*)?$/;

/**
 * A public key in the form of root.json: type and key, without its comment.
 * @throws badInput for any other text
 */
export function publicKey(text: string, where: string): string {
  const [, type, blob] = PUBLIC_KEY.exec(text.trim()) ?? [];
  if (type === undefined || blob === undefined)
    throw badInput('not a usable public key', {
      where,
      hint: 'it must be one line of ssh-ed25519, ecdsa-sha2-nistp256 or their sk- kinds: ssh-keygen -t ed25519',
    });
  return `${type} ${blob}`;
}

/** `SHA256:…`, as `ssh-keygen -l` prints it. `key`: of `publicKey`. */
export function fingerprint(key: string): string {
  const blob = Buffer.from(key.split(' ')[1] ?? '', 'base64');
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** Makes a pair of Ed25519 keys without a passphrase: `path` (0600) and `path.pub`. */
export async function makeSshKey(path: string, comment: string): Promise<void> {
  await sshKeygen(['-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', path], '');
}

/**
 * Refuses a private key that others can read. A missing file is not an error here: ssh-keygen may find the
 * key in an agent.
 * @throws badInput
 */
export async function checkSecret(path: string): Promise<void> {
  let mode: number;
  try {
    ({ mode } = await stat(path));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw badInput(`cannot use the key (${errorCode(error)})`, { where: path, cause: error });
  }
  if ((mode & 0o077) === 0) return;
  throw badInput(`others can read the key (mode ${(mode & 0o777).toString(8)})`, {
    where: path,
    hint: `chmod 600 ${path}, if you are sure that nobody has; else replace it: ./draisine keys rotate`,
  });
}

/**
 * Signs a text. `key`: a private key, the handle of a hardware key, or a public key (`.pub`) whose private half an
 * agent holds. Returns the armoured signature.
 */
export async function signText(text: string, namespace: string, key: string): Promise<string> {
  await checkSecret(key.replace(/\.pub$/, ''));
  try {
    return await sshKeygen(['-Y', 'sign', '-q', '-n', namespace, '-f', key], text);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const reason = error instanceof ToolFailure ? (error.said.split('\n', 1)[0] ?? '') : error.message;
    throw new Failure(`cannot sign with this key: ${reason}`, {
      where: key,
      hint: error.hint ?? 'is its agent running (ssh-add -L), its hardware key plugged in and touched?',
      cause: error,
    });
  }
}

/** Verdicts of this process by the digest of everything they depend on: a command reads the same root many times. */
const verdicts = new Map<string, boolean>();

/** Whether `signature` signs exactly this text, in this namespace, by this public key. */
export async function isSignedBy(
  text: string,
  namespace: string,
  key: string,
  signature: string,
): Promise<boolean> {
  const asked = sha256(JSON.stringify([text, namespace, key, signature]));
  const verdict = verdicts.get(asked) ?? (await verify(text, namespace, key, signature));
  verdicts.set(asked, verdict);
  return verdict;
}

async function verify(text: string, namespace: string, key: string, signature: string): Promise<boolean> {
  if (isEd25519Signed(text, namespace, key, signature)) return true;
  const folder = await mkdtemp(join(tmpdir(), 'draisine-verify-'));
  try {
    const signers = join(folder, 'signers');
    const file = join(folder, 'signature');
    await writeFile(signers, `draisine namespaces="${namespace}" ${key}\n`);
    await writeFile(file, signature);
    const args = ['-Y', 'verify', '-q', '-n', namespace, '-I', 'draisine', '-f', signers, '-s', file];
    await sshKeygen(args, text);
    return true;
  } catch (error) {
    // The exit code reports a wrong signature. A missing ssh-keygen is a failure.
    if (error instanceof ToolFailure && error.exit !== null) return false;
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

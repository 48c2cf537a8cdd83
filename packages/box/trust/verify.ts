import { NAMESPACES, type RoleName } from '../../../build/release/format/namespaces.ts';
import type { Envelope, Root } from '../../../build/release/format/types.ts';
import { type Box, BoxError, whyFailed, withScratch } from '../io/box.ts';

/** A folder for the files of verifying programs. `path` translates a path for them. */
export interface VerifyOptions {
  /** The path of a file for a program. It differs only in tests, where the box is a folder. */
  readonly path?: (inside: string) => string;
}

/**
 * Checks that enough keys of a role have signed. Signatures by other keys do not count. A wrong signature by
 * a right key is an error of its own: somebody changed the text.
 * `what`: the file, for errors.
 */
export function checkSignatures(
  box: Box,
  envelope: Envelope,
  name: RoleName,
  root: Root,
  what: string,
  options: VerifyOptions = {},
): void {
  const { keys, threshold } = root.roles[name];
  const known = envelope.signatures.filter(({ key }) => keys.includes(key));
  const signers = new Set<string>();
  const wrong: string[] = [];
  for (const { key, sshsig } of known) {
    if (signers.has(key)) continue;
    const fault = signatureFault(box, envelope.signed, NAMESPACES[name], root.keys[key]!, sshsig, options);
    if (fault === undefined) signers.add(key);
    else wrong.push(`${key}: ${fault}`);
  }
  if (signers.size >= threshold) return;
  if (wrong.length > 0) throw new BoxError(`${what} has a wrong signature: ${wrong.join('; ')}`);
  throw new BoxError(
    `${what} has ${signers.size} of the ${threshold} signatures that it must have, by keys of root ${root.number}`,
  );
}

/** Why a signature is not by this key over this text; undefined if it is (ssh-keygen(1), `-Y verify`). */
function signatureFault(
  box: Box,
  signed: string,
  namespace: string,
  publicKey: string,
  sshsig: string,
  { path = (inside) => inside }: VerifyOptions,
): string | undefined {
  return withScratch(box, 'verify', (folder) => {
    const write = (name: string, content: string) =>
      box.writeFile(`${folder}/${name}`, content, { mode: 0o600, durable: false });
    write('allowed', `draisine namespaces="${namespace}" ${publicKey}\n`);
    write('signature', sshsig);
    const argv = [
      ...['ssh-keygen', '-Y', 'verify', '-n', namespace, '-I', 'draisine'],
      ...['-f', path(`${folder}/allowed`), '-s', path(`${folder}/signature`)],
    ];
    const ran = box.run(argv, { stdin: signed, timeoutSeconds: 30 });
    return ran.code === 0 ? undefined : whyFailed(argv, ran);
  });
}

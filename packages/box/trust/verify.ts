import { NAMESPACES, type RoleName } from '../../../build/release/format/namespaces.ts';
import type { Envelope, Root } from '../../../build/release/format/types.ts';
import { type Box, BoxError, removeTree, whyFailed } from '../io/box.ts';

const WORK = '/run/draisine/verify';
let made = 0;

/** Programs that verify read their files from a folder; `path` says how the program sees it. */
export interface VerifyOptions {
  /** The path of a file of the box for a program; the same unless the box is a folder of a test. */
  readonly path?: (inside: string) => string;
}

/**
 * Throws unless at least as many different keys of a role have signed as its threshold says. Signatures by other keys
 * do not count; one that is wrong although its key is right is an error of its own: somebody changed the text.
 * `what`: names the file in errors.
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

/** Why a signature is not of this key over this text; undefined when it is (ssh-keygen(1), `-Y verify`). */
function signatureFault(
  box: Box,
  signed: string,
  namespace: string,
  publicKey: string,
  sshsig: string,
  { path = (inside) => inside }: VerifyOptions,
): string | undefined {
  const folder = `${WORK}.${made++}`;
  box.makeFolder(folder, 0o700);
  try {
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
  } finally {
    removeTree(box, folder);
  }
}

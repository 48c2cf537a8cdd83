import { spawnSync } from 'node:child_process';
import { isAbsolute, resolve } from 'node:path';
import { badInput, Failure } from '../../sdk/lib/errors.ts';
import { dataUrl } from './data-url.ts';
import { LocalFault, readLocal } from './local-files.ts';

/**
 * The source of a secret: a file in the config's folder, or the output of a program. It is read when the
 * config is compiled.
 */
export type SecretSource = { readonly file: string } | { readonly command: readonly [string, ...string[]] };

/** A text that is unknown until the config is compiled. */
export interface Secret {
  readonly secret: SecretSource;
  /** The form in the config: plain text, or a data URL for the contents of a file. */
  readonly as: 'text' | 'data-url';
}

/** A text, or a secret. */
export type Text = string | Secret;

/**
 * A secret. It is read when the config is compiled, and written to the result only. A newline at its end is
 * dropped.
 * In `contents` of a file it becomes a data URL; elsewhere (a password hash) it becomes text.
 */
export function secret(source: SecretSource): Secret {
  const { file, command }: { file?: unknown; command?: unknown } = source ?? {};
  if (typeof file !== 'string' && !(Array.isArray(command) && typeof command[0] === 'string'))
    throw badInput('a secret without a source', {
      hint: "write secret({ file: 'NAME' }) or secret({ command: ['PROGRAM', 'ARGUMENT'] })",
    });
  return { secret: source, as: 'text' };
}

/** Whether a value is a secret. */
export function isSecret(value: unknown): value is Secret {
  return typeof value === 'object' && value !== null && 'secret' in value && 'as' in value;
}

function run([program, ...args]: readonly [string, ...string[]], folder: string): Buffer {
  // Standard error of the program goes to the terminal, where a password manager asks. Standard output is
  // read here only.
  const { error, status, signal, stdout } = spawnSync(program, args, {
    cwd: folder,
    stdio: ['inherit', 'pipe', 'inherit'],
    timeout: 120_000,
    maxBuffer: 1 << 20,
  });
  const where = `secret command ${program}`;
  if (error)
    throw new Failure(`secret command did not run: ${error.message.replace(/^spawnSync /, '')}`, { where });
  if (status !== 0)
    throw new Failure(`secret command failed (${signal ?? `exit status ${status}`})`, { where });
  if (stdout.length === 0) throw new Failure('secret command printed nothing', { where });
  return stdout;
}

function readFileSecret(file: string, folder: string): Buffer {
  const path = resolve(folder, file);
  try {
    // A key may lie outside of the config's folder, but only by an absolute path.
    return isAbsolute(file) ? readLocal('/', path.slice(1)) : readLocal(folder, file);
  } catch (error) {
    if (!(error instanceof LocalFault)) throw error;
    const outside = /--files-dir/.test(error.hint); // an option for Butane
    const hint = outside ? `put it into the folder ${folder}, or write an absolute path` : error.hint;
    throw badInput(`secret: ${error.what}`, { where: file, hint });
  }
}

/**
 * The text of a secret.
 * @throws Failure that names the source and never the secret
 */
function resolveSecret({ secret: source, as }: Secret, folder: string): string {
  const bytes = 'file' in source ? readFileSecret(source.file, folder) : run(source.command, folder);
  if (as === 'data-url') return dataUrl(bytes);
  return bytes.toString('utf8').replace(/\r?\n$/, '');
}

/** A copy of `value` in which each secret is replaced by its text. `count` is the number of secrets. */
export function resolveSecrets(
  value: unknown,
  folder: string,
): { readonly value: unknown; readonly count: number } {
  let count = 0;
  const walk = (node: unknown, within: readonly unknown[]): unknown => {
    if (isSecret(node)) {
      count++;
      return resolveSecret(node, folder);
    }
    if (typeof node !== 'object' || node === null) return node;
    if (within.includes(node)) throw badInput('a part of the config contains itself');
    const inside = [...within, node];
    if (Array.isArray(node)) return node.map((member) => walk(member, inside));
    return Object.fromEntries(Object.entries(node).map(([key, member]) => [key, walk(member, inside)]));
  };
  return { value: walk(value, []), count };
}

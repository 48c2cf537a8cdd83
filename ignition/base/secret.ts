import { spawnSync } from 'node:child_process';
import { isAbsolute, resolve } from 'node:path';
import { badInput, Failure } from '../../sdk/lib/errors.ts';
import { dataUrl } from './data-url.ts';
import { LocalFault, readLocal } from './local-files.ts';

/** Where a secret comes from when the config is compiled: a file in the config's folder, or a program's output. */
export type SecretSource = { readonly file: string } | { readonly command: readonly [string, ...string[]] };

/** Stands for a text that is only known at compile time. */
export interface Secret {
  readonly secret: SecretSource;
  /** How it enters the config: as it is, or as the data URL of a file. */
  readonly as: 'text' | 'data-url';
}

/** A text written out, or a secret. */
export type Text = string | Secret;

/**
 * A secret: read when the config is compiled, written to the result alone. A newline at its end is dropped.
 * In a file it stands in `contents`; elsewhere (a password hash) as a text.
 */
export function secret(source: SecretSource): Secret {
  const { file, command }: { file?: unknown; command?: unknown } = source ?? {};
  if (typeof file !== 'string' && !(Array.isArray(command) && typeof command[0] === 'string'))
    throw badInput('a secret without a source', {
      hint: "write secret({ file: 'NAME' }) or secret({ command: ['PROGRAM', 'ARGUMENT'] })",
    });
  return { secret: source, as: 'text' };
}

/** Whether a value is a secret, which is read when the config is compiled. */
export function isSecret(value: unknown): value is Secret {
  return typeof value === 'object' && value !== null && 'secret' in value && 'as' in value;
}

function run([program, ...args]: readonly [string, ...string[]], folder: string): Buffer {
  // Its standard error goes to the terminal (a password manager asks there), its output nowhere but here.
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
    // A key may live outside the config's folder, but only when it is named absolutely.
    return isAbsolute(file) ? readLocal('/', path.slice(1)) : readLocal(folder, file);
  } catch (error) {
    if (!(error instanceof LocalFault)) throw error;
    throw new Failure(`secret: ${error.message}`, { where: file });
  }
}

/** @throws Failure that names the source and never the secret */
function resolveSecret({ secret: source, as }: Secret, folder: string): string {
  const bytes = 'file' in source ? readFileSecret(source.file, folder) : run(source.command, folder);
  if (as === 'data-url') return dataUrl(bytes);
  return bytes.toString('utf8').replace(/\r?\n$/, '');
}

/** A copy of `value` with each secret in its place; `count` says how many there were. */
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

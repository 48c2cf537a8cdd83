import { badInput } from '../../sdk/lib/errors.ts';
import { dataUrl } from '../base/data-url.ts';
import { isSecret, type Text } from '../base/secret.ts';
import { compact } from '../json/value.ts';
import type { Fragment } from './fragment.ts';

/** A user or group, by number or by name. */
export type Account = number | string;

/** Owner of a file, folder or link. */
export interface NodeOptions {
  readonly user?: Account;
  readonly group?: Account;
}

/** A file of the machine. */
export interface FileOptions extends NodeOptions {
  /** The content; a secret is read when the config is compiled. */
  readonly contents: Text | Uint8Array;
  /** Permission bits; default: 0o644, for a secret 0o600. */
  readonly mode?: number;
  /** Whether it replaces an existing file; default: true. */
  readonly overwrite?: boolean;
}

/** A folder of the machine. */
export interface DirOptions extends NodeOptions {
  /** Permission bits; default 0o755. */
  readonly mode?: number;
}

/** A symbolic or hard link. */
export interface LinkOptions extends NodeOptions {
  readonly target: string;
  readonly hard?: boolean;
}

function owner(account: Account | undefined): { id: number } | { name: string } | undefined {
  if (account === undefined) return undefined;
  return typeof account === 'number' ? { id: account } : { name: account };
}

/** A file with its content in the config (spec 3.3, storage.files). */
export function file(path: string, { contents, mode, overwrite = true, user, group }: FileOptions): Fragment {
  const hidden = isSecret(contents);
  if (!hidden && typeof contents !== 'string' && !(contents instanceof Uint8Array))
    throw badInput(`the contents of ${path} are not a text`, {
      hint: "write a text, or secret({ file: 'NAME' })",
    });
  const source = hidden ? { ...contents, as: 'data-url' } : dataUrl(contents);
  const entry = compact({
    path,
    mode: mode ?? (hidden ? 0o600 : 0o644),
    overwrite,
    user: owner(user),
    group: owner(group),
  });
  return { storage: { files: [{ ...entry, contents: { source } }] } };
}

/** A directory (spec 3.3, storage.directories). */
export function dir(path: string, { mode = 0o755, user, group }: DirOptions = {}): Fragment {
  return { storage: { directories: [compact({ path, mode, user: owner(user), group: owner(group) })] } };
}

/** A symbolic or hard link (spec 3.3, storage.links); it replaces what is there. */
export function link(path: string, { target, hard, user, group }: LinkOptions): Fragment {
  const entry = compact({ path, target, hard, overwrite: true, user: owner(user), group: owner(group) });
  return { storage: { links: [entry] } };
}

import { join } from 'node:path';
import { Failure } from './lib/errors.ts';
import { type RunOptions, runCommand, type ToolCommand, toolCommand } from './tool.ts';

export interface Bind {
  readonly from: string;
  readonly to: string;
  readonly writable?: boolean;
}

/**
 * The command that runs `argv` inside a user and mount namespace whose root is a tool tree (bwrap(1)). For what
 * needs fixed paths, like a compiler that finds its parts under /usr: the building machine's paths then cannot
 * reach an output. `bwrapRoot` is the tree that has bubblewrap.
 */
export function sandboxCommand(
  bwrapRoot: string,
  root: string,
  argv: readonly string[],
  binds: readonly Bind[],
  cwd = '/',
): ToolCommand {
  const args = [
    '--unshare-all',
    '--die-with-parent',
    '--uid',
    '0',
    '--gid',
    '0',
    '--hostname',
    'draisine',
    '--tmpfs',
    '/',
    '--ro-bind',
    join(root, 'usr'),
    '/usr',
    '--symlink',
    'usr/bin',
    '/bin',
    '--symlink',
    'usr/sbin',
    '/sbin',
    '--symlink',
    'usr/lib',
    '/lib',
    '--symlink',
    'usr/lib64',
    '/lib64',
    '--proc',
    '/proc',
    '--dev',
    '/dev',
    '--tmpfs',
    '/tmp',
    ...binds.flatMap(({ from, to, writable }) => [writable ? '--bind' : '--ro-bind', from, to]),
    '--chdir',
    cwd,
    '--clearenv',
    '--setenv',
    'PATH',
    '/usr/bin:/usr/sbin',
    '--setenv',
    'LC_ALL',
    'C',
    '--setenv',
    'TZ',
    'UTC',
    '--setenv',
    'HOME',
    '/tmp',
    '--',
    ...argv,
  ]; // prettier-ignore
  return toolCommand(bwrapRoot, 'bwrap', args);
}

/** Runs `argv` in the sandbox to its end. A host that forbids user namespaces is named as such. */
export async function runSandboxed(
  bwrapRoot: string,
  root: string,
  argv: readonly string[],
  binds: readonly Bind[],
  options: RunOptions & { readonly inside?: string } = {},
): Promise<Buffer> {
  try {
    return await runCommand(
      sandboxCommand(bwrapRoot, root, argv, binds, options.inside),
      argv[0] ?? 'bwrap',
      options,
    );
  } catch (error) {
    if (
      error instanceof Failure &&
      /bwrap: (No permissions to create|Creating) new namespace|bwrap: (setting up uid map|loopback: Failed)/.test(
        error.message,
      )
    ) {
      throw new Failure('this host forbids user namespaces, which the compiler sandbox needs', {
        hint: 'as root: sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0 user.max_user_namespaces=10000; or build as root',
        cause: error,
      });
    }
    throw error;
  }
}

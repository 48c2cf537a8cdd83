import { join } from 'node:path';
import { Failure } from './lib/errors.ts';
import { type RunOptions, runCommand, type ToolCommand, toolCommand } from './tool.ts';

/** A path of the host that the sandbox has, at the same or at another place. */
export interface Bind {
  readonly from: string;
  readonly to: string;
  readonly writable?: boolean;
}

/** A program in a sandbox, and everything that it can see. */
export interface Sandboxed {
  /** The tool tree that gives the sandbox its /usr. */
  readonly root: string;
  readonly argv: readonly string[];
  readonly binds?: readonly Bind[];
  /** Working directory inside; default `/`. */
  readonly cwd?: string;
  /** Added to PATH, LC_ALL, TZ and HOME, which are always the same. Nothing is inherited. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The arguments of bwrap(1): a user and mount namespace without network. Its root is the tool tree. */
export function sandboxArguments({ root, argv, binds = [], cwd = '/', env = {} }: Sandboxed): string[] {
  const variables = { PATH: '/usr/bin:/usr/sbin', LC_ALL: 'C', TZ: 'UTC', HOME: '/tmp', ...env };
  return [
    ...['--unshare-all', '--die-with-parent', '--uid', '0', '--gid', '0', '--hostname', 'draisine'],
    ...['--tmpfs', '/', '--ro-bind', join(root, 'usr'), '/usr'],
    ...['bin', 'sbin', 'lib', 'lib64'].flatMap((name) => ['--symlink', `usr/${name}`, `/${name}`]),
    ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp'],
    ...binds.flatMap(({ from, to, writable }) => [writable ? '--bind' : '--ro-bind', from, to]),
    '--chdir',
    cwd,
    '--clearenv',
    ...Object.entries(variables).flatMap(([name, value]) => ['--setenv', name, value]),
    '--',
    ...argv,
  ];
}

/**
 * The command that runs a program in a sandbox. It is for programs that need fixed paths, like a compiler that finds its
 * parts under /usr. So no path of the building machine can reach an output. `bwrapRoot` is the tree that has bubblewrap.
 */
export function sandboxCommand(bwrapRoot: string, sandboxed: Sandboxed): ToolCommand {
  return toolCommand(bwrapRoot, 'bwrap', sandboxArguments(sandboxed));
}

/** Runs a program in the sandbox to its end. If the host forbids user namespaces, the error says so. */
export async function runSandboxed(
  bwrapRoot: string,
  sandboxed: Sandboxed,
  options: RunOptions = {},
): Promise<Buffer> {
  try {
    return await runCommand(sandboxCommand(bwrapRoot, sandboxed), sandboxed.argv[0] ?? 'bwrap', options);
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

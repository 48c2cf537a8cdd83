import { spawn } from 'node:child_process';
import { Failure } from '../../sdk/lib/errors.ts';
import { shellWord } from '../../sdk/lib/shell.ts';

/**
 * The outcome of a program on another machine. Exit code 255 is ssh's own: no connection, or a broken one.
 */
export interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The exit code of ssh(1) without a connection. */
export const NO_CONNECTION = 255;

/** The exit code of `draisine apply` on a box while another one is going on (packages/box/apply/main.ts). */
export const BUSY = 75;

/**
 * Options that force a new connection for each call, even if the owner's ssh_config shares connections: a new
 * connection proves that the machine can be reached.
 * ssh gives up a connection that hangs after about 15 seconds (ssh_config(5), ServerAliveInterval).
 * The last three are for an ssh_config that is made for logins: ssh refuses a command beside RemoteCommand=, a terminal
 * changes the output, and a forwarded port that is in use can end the connection.
 */
const OPTIONS = [
  'BatchMode=yes',
  'ControlMaster=no',
  'ControlPath=none',
  'ConnectTimeout=10',
  'ServerAliveInterval=5',
  'RemoteCommand=none',
  'RequestTTY=no',
  'ClearAllForwardings=yes',
];

/**
 * The words for ssh(1) that name a machine. The user is root unless the host names another one. The port is an option,
 * because ssh (9.2) reads no URL with an IPv6 address.
 */
export function destination(host: string): string[] {
  const bare = host.replace(/^ssh:\/\/(.*?)\/?$/, '$1');
  const [, user = 'root', name = bare] = /^(.+)@(.+)$/.exec(bare) ?? [];
  const [, address = name, port] = /^(\[[^\]]+\]|[^:[\]]+)(?::([0-9]+))?$/.exec(name) ?? [];
  const decode = (_all: string, hex: string): string => String.fromCharCode(Number.parseInt(hex, 16));
  const who = bare === host ? user : user.replace(/%([0-9A-F]{2})/gi, decode);
  return [...(port === undefined ? [] : ['-p', port]), `${who}@${address.replace(/^\[(.*)\]$/, '$1')}`];
}

/** Runs a program on a machine, with the owner's own ssh. `options`: further ones of ssh_config(5). */
export async function onHost(
  host: string,
  argv: readonly string[],
  stdin?: string,
  options: readonly string[] = [],
): Promise<Answer> {
  const command = argv.map(shellWord).join(' ');
  return await ssh(
    [...[...OPTIONS, ...options].flatMap((option) => ['-o', option]), ...destination(host), '--', command],
    stdin,
  );
}

/** The name of a machine in known_hosts: its host key is known by this name, whatever address it gets. */
export async function nameInKnownHosts(host: string): Promise<string> {
  const { stdout } = await ssh(['-G', ...destination(host)]);
  const value = (name: string) => new RegExp(`^${name} (.+)$`, 'm').exec(stdout)?.[1];
  const [hostname = host, port = '22'] = [value('hostname'), value('port')];
  return value('hostkeyalias') ?? (port === '22' ? hostname : `[${hostname}]:${port}`);
}

async function ssh(args: readonly string[], stdin?: string): Promise<Answer> {
  const child = spawn('ssh', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  // A broken connection closes standard input early. The exit code reports it.
  child.stdin.on('error', () => {});
  child.stdin.end(stdin ?? '');
  return await new Promise((done, reject) => {
    child.once('error', (error) =>
      reject(new Failure(`ssh cannot be run: ${error.message}`, { hint: 'install the OpenSSH client' })),
    );
    child.once('close', (code) =>
      done({
        code: code ?? NO_CONNECTION,
        stdout: Buffer.concat(out).toString('utf8'),
        stderr: Buffer.concat(err).toString('utf8'),
      }),
    );
  });
}

/** Number of machines at a time. sshd drops connections of many logins at once, e.g. on a jump host (MaxStartups). */
const AT_ONCE = 16;

/** Does something for each machine, for some of them at the same time. The results have the order of `hosts`. */
export async function forHosts<T>(
  hosts: readonly string[],
  work: (host: string) => Promise<T>,
): Promise<T[]> {
  const results: T[] = [];
  const queue = hosts.entries();
  const worker = async (): Promise<void> => {
    for (const [index, host] of queue) results[index] = await work(host);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

/** Runs a program on a machine. Any exit code but 0 is a Failure that names the machine. */
export async function mustOnHost(
  host: string,
  what: string,
  argv: readonly string[],
  stdin?: string,
): Promise<string> {
  const answer = await onHost(host, argv, stdin);
  if (answer.code === 0) return answer.stdout;
  throw failureOf(host, what, answer);
}

/** The Failure for a command that failed on a host, with the last line of its output. */
export function failureOf(host: string, what: string, { code, stdout, stderr }: Answer): Failure {
  const said = (stderr.trim() || stdout.trim()).split('\n').slice(-3).join('; ');
  const hint =
    code === NO_CONNECTION
      ? `try it yourself: ssh ${destination(host).join(' ')}`
      : code === 127
        ? 'the release of the machine does not have this verb: update the machine first'
        : undefined;
  return new Failure(`${what}: ${said || `exit code ${code}`}`, { where: host, ...(hint ? { hint } : {}) });
}

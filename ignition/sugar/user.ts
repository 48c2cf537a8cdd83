import { badInput } from '../../sdk/lib/errors.ts';
import type { Text } from '../base/secret.ts';
import { compact, type Json } from '../json/value.ts';
import { isNetwork, isWholeNetwork } from './addresses.ts';
import { file } from './file.ts';
import { type Fragment, matching, mergeFragments, oneLine } from './fragment.ts';
import { type Receive, receiveCommand, receiver } from './replicate.ts';

/**
 * The rights of a user over SSH. By default every user but root has a shell, and no forwarding of any kind.
 */
export interface SshAccess {
  /** The networks from which its keys are valid: `192.0.2.0/24` (sshd(8), `from=`). */
  readonly from?: readonly string[];
  /** The only command that runs, whatever the client asks for (sshd_config(5), ForceCommand). */
  readonly command?: string;
  /** Files only, no shell: sftp with the user's own rights (sshd_config(5), internal-sftp). */
  readonly only?: 'sftp';
  /**
   * Receives datasets from `replicate` of other machines below this dataset; nothing else is possible
   * (docs/day2.md).
   */
  readonly receive?: Receive;
  /** Allows forwarding of TCP ports, sockets and an agent. */
  readonly forwarding?: boolean;
}

/** An account of the machine. */
export interface UserOptions {
  readonly uid?: number;
  readonly gecos?: string;
  readonly home?: string;
  readonly shell?: string;
  readonly groups?: readonly string[];
  readonly primaryGroup?: string;
  /** A crypt(5) hash, never a password. */
  readonly passwordHash?: Text;
  readonly sshKeys?: readonly string[];
  readonly ssh?: SshAccess;
  readonly system?: boolean;
}

const NAME = /^[a-z_][a-z0-9_-]{0,31}$/;

/** Whether a text is a hash of crypt(5), an empty hash, or a hash that no password matches. */
export const isPasswordHash = (text: string): boolean =>
  /^(\$\S+\$.+|_[./0-9A-Za-z]{19}|[./0-9A-Za-z]{13}|[!*x].*|)$/.test(text);

function userName(name: string): string {
  return matching(name, NAME, 'user name', 'use lower case letters, digits, - and _ (useradd(8))');
}

/** One public key, as a line of `authorized_keys` (sshd(8)). */
export function sshKey(user: string, key: string): Fragment {
  const shape = /^(?:\S+ )?(?:ssh-|ecdsa-|sk-)\S+ [A-Za-z0-9+/]+=*(?: .*)?$/;
  const checked = matching(key.trim(), shape, 'public SSH key', 'paste the line of the .pub file');
  return { passwd: { users: [{ name: userName(user), sshAuthorizedKeys: [checked] }] } };
}

/**
 * A key that is valid from some networks only, in the form of authorized_keys (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").
 */
function keyFrom(name: string, key: string, from: readonly string[] | undefined): string {
  if (from === undefined) return key;
  const option = `from="${from.join(',')}"`;
  if (/^(ssh-|ecdsa-|sk-)/.test(key)) return `${option} ${key}`;
  // sshd refuses a key with two options `from`
  if (/(^|,)from=/i.test(key))
    throw badInput(`a key of ${name} has networks, and ssh.from as well`, {
      where: `users.${name}.sshKeys`,
      hint: 'keep one of them',
    });
  return `${option},${key}`;
}

/** Refuses networks that sshd does not read: it would refuse every key of the user. */
function checkFrom(name: string, from: readonly string[]): void {
  const where = `users.${name}.ssh.from`;
  for (const net of from) {
    matching(net, /^!?[0-9a-fA-F.:*?/]+$/, 'network', 'write 192.0.2.0/24');
    const network = net.replace('!', '');
    if (!network.includes('/')) continue;
    if (!isNetwork(network))
      throw badInput(`not a network: ${JSON.stringify(net)}`, { where, hint: 'write 192.0.2.0/24' });
    if (!isWholeNetwork(network))
      throw badInput(`${net} is an address in a network, and sshd takes only the network`, {
        where,
        hint: 'write the first address of the network: 192.0.2.0/24',
      });
  }
  if (from.every((net) => net.startsWith('!')))
    throw badInput(`ssh.from of ${name} lets nobody in`, {
      where,
      hint: 'name a network that may connect, or leave it out',
    });
}

function forcedCommand(name: string, { command, only, receive }: SshAccess): string | undefined {
  const given = [
    ...(command === undefined ? [] : [oneLine(command, 'command')]),
    ...(only === undefined ? [] : ['internal-sftp']),
    ...(receive === undefined ? [] : [receiveCommand(name, receive)]),
  ];
  if (given.length > 1)
    throw badInput(`ssh limits user ${name} in ${given.length} ways, and only one is possible`, {
      where: `users.${name}.ssh`,
      hint: 'keep one of command, only and receive',
    });
  return given[0];
}

/** The lines of sshd_config that hold for this user only; undefined if there are none. */
function sshdMatch(name: string, access: SshAccess): Fragment | undefined {
  const command = forcedCommand(name, access);
  const lines = [
    ...(command === undefined ? [] : [`ForceCommand ${command}`]),
    ...(access.forwarding === undefined
      ? []
      : ['AllowTcpForwarding', 'AllowAgentForwarding', 'AllowStreamLocalForwarding'].map(
          (what) => `${what} ${access.forwarding ? 'yes' : 'no'}`,
        )),
  ];
  if (lines.length === 0) return undefined;
  const contents = `Match User ${name}\n${lines.map((line) => `  ${line}\n`).join('')}`;
  return file(`/etc/ssh/sshd_config.d/50-${name}.conf`, { contents });
}

/**
 * A user (spec 3.3, passwd.users). An existing user is changed. Its limits over SSH go into sshd_config.d.
 */
export function user(name: string, options: UserOptions = {}): Fragment {
  const { home, sshKeys = [], ssh = {}, groups, ...same } = options;
  if (ssh.from !== undefined) checkFrom(name, ssh.from);
  if (typeof same.passwordHash === 'string' && !isPasswordHash(same.passwordHash))
    throw badInput(`the password of ${name} is not a hash, so nobody could log in with it`, {
      where: `users.${name}.passwordHash`,
      hint: 'make a hash: openssl passwd -6',
    });
  const keys = sshKeys.map(
    (key) => sshKey(name, key) as { passwd: { users: { sshAuthorizedKeys: string[] }[] } },
  );
  const sshAuthorizedKeys = keys.flatMap(({ passwd }) =>
    passwd.users.flatMap((entry) => entry.sshAuthorizedKeys.map((key) => keyFrom(name, key, ssh.from))),
  );
  const entry = compact({
    name: userName(name),
    ...(same as { [key: string]: Json }),
    homeDir: home,
    groups: groups && [...groups],
    sshAuthorizedKeys,
  });
  const match = sshdMatch(name, ssh);
  return mergeFragments(
    { passwd: { users: [entry] } },
    ...(match ? [match] : []),
    ...(ssh.receive ? [receiver(name, ssh.receive)] : []),
  );
}

/** A group (spec 3.3, passwd.groups). */
export function group(
  name: string,
  { gid, system }: { readonly gid?: number; readonly system?: boolean } = {},
): Fragment {
  return { passwd: { groups: [compact({ name: userName(name), gid, system })] } };
}

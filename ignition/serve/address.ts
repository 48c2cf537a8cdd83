import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { badInput } from '../../sdk/lib/errors.ts';

/** A network port of this host and its first IPv4 address. */
export interface Port {
  readonly name: string;
  readonly address: string;
  readonly netmask: string;
}

/**
 * The network port with this name, with its address.
 * @throws badInput for a port that is missing or has no address
 */
export function findPort(name: string): Port {
  const all = networkInterfaces();
  const found = all[name];
  if (!found) {
    // Node lists only ports that are up, with a link and an address.
    const where = '--interface';
    if (existsSync(`/sys/class/net/${name}`))
      throw badInput(`${name} is down, without a link or without an address`, {
        where,
        hint: `plug in a cable, or configure the port: ip link set ${name} up; ip address add 192.168.77.1/24 dev ${name}`,
      });
    throw badInput(`there is no interface ${name}`, {
      where,
      hint: `there are: ${Object.keys(all).join(', ')}`,
    });
  }
  const ipv4 = found.find(({ family }) => family === 'IPv4');
  if (!ipv4)
    throw badInput(`${name} has no IPv4 address`, {
      where: '--interface',
      hint: `add an address: ip address add 192.168.77.1/24 dev ${name}`,
    });
  return { name, address: ipv4.address, netmask: ipv4.netmask };
}

/**
 * `FROM,TO`: two addresses of the port's network in ascending order, without the port's own address between
 * them.
 */
export function parseRange(text: string, { address, netmask, name }: Port): readonly [string, string] {
  const [from = '', to = '', more] = text.split(',').map((part) => part.trim());
  const [first, last, own, mask] = [from, to, address, netmask].map(toNumber);
  const wrong = (what: string): Error =>
    badInput(what, { where: `--dhcp ${text}`, hint: `${name} is ${address}, netmask ${netmask}` });
  if (
    first === undefined ||
    last === undefined ||
    own === undefined ||
    mask === undefined ||
    more !== undefined
  )
    throw wrong('a range is two IPv4 addresses: FROM,TO');
  const network = (value: number): number => (value & mask) >>> 0;
  if (network(first) !== network(own) || network(last) !== network(own))
    throw wrong('the range is not of the interface’s network');
  if (last < first) throw wrong('the range ends before it begins');
  if (own >= first && own <= last) throw wrong('the range has this host’s own address in it');
  return [from, to];
}

function toNumber(address: string): number | undefined {
  const parts = address.split('.');
  if (parts.length !== 4 || parts.some((part) => !/^\d{1,3}$/.test(part) || Number(part) > 255))
    return undefined;
  return parts.reduce((value, part) => value * 256 + Number(part), 0);
}

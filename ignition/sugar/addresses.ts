import { isIP } from 'node:net';

/** Whether a text is an IPv4 or IPv6 address, without brackets and without the name of an interface. */
export const isAddress = (text: string): boolean => isIP(text) !== 0 && !text.includes('%');

/** Whether a text is an address with the length of a prefix: `192.0.2.0/24`. */
export function isNetwork(text: string): boolean {
  const [, address = '', prefix] = /^([^/]+)\/([0-9]{1,3})$/.exec(text) ?? [];
  return isAddress(address) && Number(prefix) <= (isIP(address) === 4 ? 32 : 128);
}

/** An address in its shortest form, without brackets: two spellings of one address are equal. */
const plain = (address: string): string => {
  const bare = address.replace(/^\[|\]$/g, '');
  return isIP(bare) === 6 ? new URL(`http://[${bare}]/`).hostname.slice(1, -1) : bare;
};

/** An address as a number of 32 or 128 bits. */
function numberOf(address: string): bigint {
  if (isIP(address) === 4) return address.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  const [head = [], tail = []] = plain(address)
    .split('::')
    .map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = Array<string>(8 - head.length - tail.length).fill('0');
  return [...head, ...zeros, ...tail].reduce((sum, group) => sum * 65536n + BigInt(`0x${group}`), 0n);
}

/** The first and the last address of a network (see isNetwork), and the address that its text has. */
function rangeOf(network: string): { readonly first: bigint; readonly last: bigint; readonly own: bigint } {
  const [address = '', prefix = ''] = network.split('/');
  const size = 1n << BigInt((isIP(address) === 4 ? 32 : 128) - Number(prefix));
  const own = numberOf(address);
  const first = own - (own % size);
  return { first, last: first + size - 1n, own };
}

/** Whether a network (see isNetwork) begins with the address in its text: `192.0.2.0/24`, not `192.0.2.1/24`. */
export function isWholeNetwork(network: string): boolean {
  const { first, own } = rangeOf(network);
  return first === own;
}

/** Whether two networks (see isNetwork) have an address in common. */
export function networksMeet(one: string, other: string): boolean {
  const [a, b] = [rangeOf(one), rangeOf(other)];
  return one.includes(':') === other.includes(':') && a.first <= b.last && b.first <= a.last;
}

/**
 * Whether a port on one address of the machine and the same port on another one are one port. An empty text stands for
 * every address, 0.0.0.0 for every IPv4 address, `::` for every IPv6 address.
 */
export function addressesMeet(one: string, other: string): boolean {
  const [a, b] = [plain(one), plain(other)];
  if (a === '' || b === '' || a === b) return true;
  const isEvery = [a, b].some((each) => each === '0.0.0.0' || each === '::');
  return isEvery && a.includes(':') === b.includes(':');
}

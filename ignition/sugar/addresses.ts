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

import { isIP } from 'node:net';

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

/** Bytes of a GUID in the order of the disk: the first three fields are little-endian (UEFI specification, appendix A). */
const ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/** A UUID in lower case, with dashes. */
export function guidText(bytes: Uint8Array): string {
  return dashed(ORDER.map((at) => bytes[at]!.toString(16).padStart(2, '0')).join(''));
}

/** The bytes of a GUID on the disk: the first three fields are little-endian. */
export function guidBytes(text: string): Uint8Array {
  const hex = text.replaceAll('-', '');
  const bytes = new Uint8Array(16);
  for (const [index, at] of ORDER.entries())
    bytes[at] = Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16);
  return bytes;
}

/** A UUID from 32 hexadecimal digits: with dashes. */
function dashed(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
}

/**
 * UUIDs of the partitions that hold a `/usr` and its hash tree: the halves of the root hash, by which
 * systemd-veritysetup-generator(8) finds them.
 */
export function slotUuids(rootHash: string): { readonly usr: string; readonly verity: string } {
  return { usr: dashed(rootHash.slice(0, 32)), verity: dashed(rootHash.slice(-32)) };
}

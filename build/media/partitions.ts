import { createHash } from 'node:crypto';

/** Sizes of the partition plan (docs/install.md), in bytes. */
export interface PartitionPlan {
  readonly esp: number;
  readonly usr: number;
  readonly verity: number;
}

/** The partition UUID systemd-veritysetup-generator looks for: a half of the root hash (its man page, usrhash=). */
export function uuidFromHash(rootHash: string, half: 'first' | 'last'): string {
  const hex = half === 'first' ? rootHash.slice(0, 32) : rootHash.slice(-32);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** A version 4 shaped UUID that is a function of `seed` only. */
export function uuidFrom(seed: string): string {
  const bytes = createHash('sha256').update(seed).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return uuidFromHash(bytes.toString('hex'), 'first');
}

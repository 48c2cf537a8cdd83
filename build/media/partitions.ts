import { createHash } from 'node:crypto';
import { badInput } from '../../sdk/lib/errors.ts';

/** Sizes of the partition plan (docs/install.md), in bytes. */
export interface PartitionPlan {
  readonly esp: number;
  readonly usr: number;
  readonly verity: number;
}

/** UTF-16 units of a GPT partition name (UEFI specification 2.10, table 5-6). */
const LABEL_LENGTH = 36;

/** Names of the partitions with /usr of a version and its hash tree. A name that is too long is an error. */
export function slotLabels(version: string): { readonly usr: string; readonly verity: string } {
  const labels = { usr: `draisine_usr_${version}`, verity: `draisine_usr_verity_${version}` };
  if (labels.verity.length > LABEL_LENGTH) {
    throw badInput(
      `the partition label ${labels.verity} is too long: it has more than ${LABEL_LENGTH} characters`,
      {
        where: 'version of the image',
        hint: 'take a shorter version, such as 2026.1129.0',
      },
    );
  }
  return labels;
}

/** The partition UUID that systemd-veritysetup-generator looks for: a half of the root hash (its man page, usrhash=). */
export function uuidFromHash(rootHash: string, half: 'first' | 'last'): string {
  const hex = half === 'first' ? rootHash.slice(0, 32) : rootHash.slice(-32);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** A UUID in the form of version 4 that depends on `seed` only. */
export function uuidFrom(seed: string): string {
  const bytes = createHash('sha256').update(seed).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return uuidFromHash(bytes.toString('hex'), 'first');
}

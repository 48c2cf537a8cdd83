import type { Channel } from '../../../build/release/format/types.ts';
import { sha256Bytes } from '../io/sha256.ts';

/**
 * The position of a box in a rollout, from 0 to 1: hash(machine id, version) / 2³². The version is part of
 * it, so that different boxes are first each time.
 * The hash is the first four bytes, big-endian, of SHA-256 over the machine id, a line feed and the version.
 */
export function rolloutPlace(machineId: string, version: string): number {
  const hash = sha256Bytes(`${machineId}\n${version}`);
  return new DataView(hash.buffer).getUint32(0) / 2 ** 32;
}

/**
 * The time from which a box may take part in a rollout, in milliseconds since 1970; undefined if there is no
 * rollout: at once.
 */
export function takesPartAt(rollout: Channel['rollout'], place: number): number | undefined {
  if (!rollout) return undefined;
  return Date.parse(rollout.begins) + place * rollout.hours * 3_600_000;
}

import type { Channel } from '../../../build/release/format/types.ts';
import { sha256Bytes } from '../io/sha256.ts';

/**
 * Where in the order of a rollout a box is, from 0 to 1: hash(machine id, version) / 2³². The version is part of it, so
 * that not the same boxes are always first. The hash: the first four bytes of SHA-256, big end first, over the machine
 * id, a line feed and the version.
 */
export function rolloutPlace(machineId: string, version: string): number {
  const hash = sha256Bytes(`${machineId}\n${version}`);
  return new DataView(hash.buffer).getUint32(0) / 2 ** 32;
}

/** When a box may take part in a rollout, in milliseconds since 1970; undefined: there is none, so at once. */
export function takesPartAt(rollout: Channel['rollout'], place: number): number | undefined {
  if (!rollout) return undefined;
  return Date.parse(rollout.begins) + place * rollout.hours * 3_600_000;
}

import type { Box } from '../io/box.ts';

/**
 * Room that nothing else takes. Where the state partition is full, podman cannot even remove an image: it writes to its
 * database first. The reserve goes then, and comes again when there is room.
 */
export const RESERVE = '/var/lib/draisine/reserve';

/** Bytes of that file. */
export const RESERVE_BYTES = 64 * 2 ** 20;
/** It is made only where it takes an eighth of the room at most. */
const SHARE = 8;

/** How full the state partition is. */
export interface Room {
  /** Bytes that can be had on the state partition. */
  readonly available: number;
  /** Percent that is taken. */
  readonly percent: number;
  readonly kind: string;
}

/** Of the file system with /var (df(1)). */
export function roomOf(box: Box): Room {
  const told = box.run(['df', '-B1', '--output=avail,pcent,fstype', '/var']).stdout.trim().split('\n').at(-1);
  const [available = '0', percent = '0', kind = ''] = (told ?? '').trim().split(/\s+/);
  return { available: Number(available), percent: Number.parseInt(percent, 10), kind };
}

/** Makes the reserve if it is not there and there is room. In a live system it would be memory: none there. */
export function keepReserve(box: Box): void {
  if ((box.stat(RESERVE)?.size ?? 0) >= RESERVE_BYTES) return;
  const { available, kind } = roomOf(box);
  if (kind === 'tmpfs' || available < SHARE * RESERVE_BYTES) return;
  box.makeFolder('/var/lib/draisine');
  const made = box.run(['fallocate', '--length', String(RESERVE_BYTES), RESERVE]);
  if (made.code !== 0) {
    box.remove(RESERVE);
    box.log('warning', `no room is kept back for draisine free: ${made.stderr.trim()}`);
  }
}

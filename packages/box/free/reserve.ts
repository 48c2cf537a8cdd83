import type { Box } from '../io/box.ts';

/**
 * Room that is kept free. On a full state partition podman cannot even remove an image, because it writes to
 * its database first. The reserve is then removed, and made again when there is room.
 */
export const RESERVE = '/var/lib/draisine/reserve';

/** Size of the reserve in bytes. */
export const RESERVE_BYTES = 64 * 2 ** 20;
/** The reserve is only made if it takes at most an eighth of the free room. */
const SHARE = 8;

/** The room of the state partition. */
export interface Room {
  /** Available bytes. */
  readonly available: number;
  /** Used space in percent. */
  readonly percent: number;
  readonly kind: string;
}

/** Reads the room of the file system with /var (df(1)). */
export function roomOf(box: Box): Room {
  const told = box.run(['df', '-B1', '--output=avail,pcent,fstype', '/var']).stdout.trim().split('\n').at(-1);
  const [available = '0', percent = '0', kind = ''] = (told ?? '').trim().split(/\s+/);
  return { available: Number(available), percent: Number.parseInt(percent, 10), kind };
}

/**
 * Makes the reserve if it does not exist and there is room. A live system gets none: there it would take
 * memory.
 */
export function keepReserve(box: Box): void {
  if ((box.stat(RESERVE)?.size ?? 0) >= RESERVE_BYTES) return;
  const { available, kind } = roomOf(box);
  if (kind === 'tmpfs' || available < SHARE * RESERVE_BYTES) return;
  box.makeFolder('/var/lib/draisine');
  const made = box.run(['fallocate', '--length', String(RESERVE_BYTES), RESERVE]);
  if (made.code !== 0) {
    box.remove(RESERVE);
    box.log('warning', `cannot make the reserve for draisine free: ${made.stderr.trim()}`);
  }
}

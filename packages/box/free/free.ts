import { type Box, removeTree, whyFailed } from '../io/box.ts';
import { keepReserve, RESERVE, roomOf } from './reserve.ts';
import { unusedImages } from './unused-images.ts';

/*
 * Makes room on the state partition. It removes old messages, and images that can be fetched again. It never
 * touches data of containers.
 */

/** Size of the journal that stays. */
const JOURNAL = '64M';
/** A pull of podman that was interrupted leaves these files. Files of a running pull are younger. */
const LEFTOVER = /^(container_images_|libpod|buildah|storage)\S*\d/;
const LEFTOVER_AGE = 24 * 3_600_000;

/** The removed things, and the room that they had. */
export interface Freed {
  /** Available bytes before and after. */
  readonly before: number;
  readonly after: number;
  /** Used space of the state partition afterwards, in percent. */
  readonly percent: number;
  /** The removed things, as text. */
  readonly removed: readonly string[];
  /** The things that could not be removed, with the reasons. */
  readonly failed: readonly string[];
}

/** Bytes as text, in MiB. */
export const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;

function removeLeftovers(box: Box, removed: string[]): void {
  const folder = '/var/tmp';
  if (box.stat(folder) === undefined) return;
  for (const name of box.list(folder)) {
    const path = `${folder}/${name}`;
    if (!LEFTOVER.test(name) || box.now() - (box.lstat(path)?.modified ?? box.now()) < LEFTOVER_AGE) continue;
    removeTree(box, path);
    removed.push(`${path}, of an interrupted pull`);
  }
}

function shortenJournal(box: Box, removed: string[], failed: string[]): void {
  const argv = ['journalctl', `--vacuum-size=${JOURNAL}`];
  const ran = box.run(argv, { timeoutSeconds: 120 });
  if (ran.code !== 0) failed.push(`the journal: ${whyFailed(argv, ran)}`);
  // One line for each folder of journals.
  for (const [, size = ''] of `${ran.stdout}\n${ran.stderr}`.matchAll(/freed (\S+) of archived journals/g))
    if (!/^0B?$/.test(size)) removed.push(`${size} of old journal messages`);
}

function removeImages(box: Box, removed: string[], failed: string[]): void {
  for (const { words, name, size } of unusedImages(box)) {
    const argv = ['podman', 'image', 'rm', ...words];
    const ran = box.run(argv, { timeoutSeconds: 300 });
    if (ran.code === 0) removed.push(`image ${name}, ${mebibytes(size)}`);
    else failed.push(`image ${name}: ${whyFailed(argv, ran)}`);
  }
}

/**
 * Gives podman the room of the reserve, removes unused images and old messages, and makes the reserve again.
 */
export function freeRoom(box: Box): Freed {
  const before = roomOf(box).available;
  const kept = box.stat(RESERVE)?.size ?? 0;
  const removed: string[] = [];
  const failed: string[] = [];
  box.remove(RESERVE);
  try {
    removeLeftovers(box, removed);
    shortenJournal(box, removed, failed);
    removeImages(box, removed, failed);
  } finally {
    keepReserve(box);
  }
  const { available: after, percent } = roomOf(box);
  const gone = kept > 0 && box.stat(RESERVE) === undefined;
  return {
    ...{ before, after, percent, failed },
    removed: gone
      ? [...removed, `the reserve of ${mebibytes(kept)}; it is made again when there is room`]
      : removed,
  };
}

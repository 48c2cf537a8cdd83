import { isVersion } from '../../../build/release/format/version.ts';
import { inspectDisk, runningUsr } from '../disk/inspect.ts';
import type { DraisineDisk, RunningUsr } from '../disk/model.ts';
import { osRelease } from '../disk/running.ts';
import { type Box, BoxError } from '../io/box.ts';

/** The running release, and the disk that it runs from. */
export interface Running {
  readonly image: string;
  readonly version: string;
  readonly usr: RunningUsr;
  readonly disk: DraisineDisk;
}

/** Fields of os-release(5) for the running release. */
export function releaseIdentity(box: Box): { readonly image: string; readonly version: string } {
  const [image, version] = [osRelease(box, 'IMAGE_ID'), osRelease(box, 'IMAGE_VERSION')];
  if (!isVersion(version))
    throw new BoxError(`the running release has no version that can be updated: ${version}`, {
      where: '/usr/lib/os-release',
      hint: 'draisine-install --keep-state puts a release with a version on this disk',
    });
  return { image, version };
}

/**
 * Refuses a live system, which has no disk.
 * @throws BoxError
 */
export function runningRelease(box: Box): Running {
  const identity = releaseIdentity(box);
  return { ...identity, disk: inspectDisk(box), usr: runningUsr(box) };
}

/**
 * No release can have been signed before this time: midnight of the version's day, in milliseconds since
 * 1970.
 */
export function epochOf(version: string): number {
  const [year = 1970, day = 101] = version.split('.').map(Number);
  return Date.UTC(year, Math.floor(day / 100) - 1, day % 100);
}

import { isVersion } from '../../../build/release/format/version.ts';
import { inspectDisk, runningUsr } from '../disk/inspect.ts';
import type { DraisineDisk, RunningUsr } from '../disk/model.ts';
import { type Box, BoxError } from '../io/box.ts';

/** The release that runs, and where from. */
export interface Running {
  readonly image: string;
  readonly version: string;
  readonly usr: RunningUsr;
  readonly disk: DraisineDisk;
}

/** What os-release(5) says of the running release. */
export function releaseIdentity(box: Box): { readonly image: string; readonly version: string } {
  const text = box.readText('/usr/lib/os-release');
  const value = (name: string) => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(text)?.[1] ?? '';
  const [image, version] = [value('IMAGE_ID'), value('IMAGE_VERSION')];
  if (!isVersion(version))
    throw new BoxError(`the running release has no version that can be updated: ${version}`, {
      where: '/usr/lib/os-release',
      hint: 'draisine-install --keep-state puts a release with a version on this disk',
    });
  return { image, version };
}

/** Throws for a live system: nothing of it is on a disk of its own. */
export function runningRelease(box: Box): Running {
  const identity = releaseIdentity(box);
  return { ...identity, disk: inspectDisk(box), usr: runningUsr(box) };
}

/** Before this no release can have been signed: midnight of the version's day, milliseconds since 1970. */
export function epochOf(version: string): number {
  const [year = 1970, day = 101] = version.split('.').map(Number);
  return Date.UTC(year, Math.floor(day / 100) - 1, day % 100);
}

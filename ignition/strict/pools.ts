import { layoutIn } from '../../packages/box/settings/storage.ts';
import type { ConfigFile } from './contents.ts';
import type { Finding } from './finding.ts';

/**
 * Finds pools with a disk that is named by its place: any disk that is plugged in there is used. Such a name is right
 * only if disks share one serial number.
 */
export function checkPools(files: readonly ConfigFile[]): Finding[] {
  return files.flatMap(({ at, text }): Finding[] => {
    const disk = layoutIn(text)
      ?.split(' ')
      .find((word) => word.startsWith('/dev/disk/by-path/'));
    if (disk === undefined) return [];
    const message = `${disk} is a place, not a disk: another disk plugged in there is taken for it; name it by /dev/disk/by-id/… unless two disks have one serial number`;
    return [{ path: at, message }];
  });
}

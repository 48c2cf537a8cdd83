import { fileURLToPath } from 'node:url';
import { lockDate, readLock } from '../../debian/lock.ts';
import { LOCK_PATH } from '../../debian/lock-path.ts';
import { imageTargets } from '../targets.ts';
import { small } from './small.ts';

/** The targets of the small image, as the lock of this checkout pins it. */
export async function smallTargets(): Promise<ReturnType<typeof imageTargets>> {
  const lock = await readLock(LOCK_PATH);
  return imageTargets(small, {
    root: fileURLToPath(new URL('../../../', import.meta.url)),
    lock,
    version: '1',
    dev: false,
    epoch: lockDate(lock),
    certificate: '',
  });
}

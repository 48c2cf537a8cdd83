import { type Box, BoxError, readTextIfThere } from '../io/box.ts';

/** Code of the BoxError when another process holds a lock. */
export const LOCKED = 'LOCKED';

/**
 * Runs something that only one process may do at a time. `folder`: the lock, below /run, so that a restart
 * releases it; only one mkdir(2) succeeds. The lock of a dead process is taken over. `taken`: the message if
 * another process has it.
 */
export function withLock<T>(box: Box, folder: string, taken: string, use: () => T): T {
  const owner = `${folder}/owner`;
  const take = () => box.run(['mkdir', folder]).code === 0;
  if (!take()) {
    const process = readTextIfThere(box, owner);
    if (process === undefined ? !isOld(box, folder) : box.stat(`/proc/${process}`) !== undefined)
      throw new BoxError(taken, { code: LOCKED });
    box.remove(owner);
    box.remove(folder);
    if (!take()) throw new BoxError(taken, { code: LOCKED });
  }
  box.writeFile(owner, box.readLink('/proc/self'), { durable: false });
  try {
    return use();
  } finally {
    box.remove(owner);
    box.remove(folder);
  }
}

/** Milliseconds in which a process that has taken a lock writes its number into it, if it lives. */
const TAKES = 10_000;

const isOld = (box: Box, folder: string): boolean =>
  box.now() - (box.stat(folder)?.modified ?? box.now()) > TAKES;

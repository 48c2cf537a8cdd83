import { type Box, BoxError, whyFailed } from '../io/box.ts';

/** Code of the BoxError when another process holds a lock. */
export const LOCKED = 'LOCKED';

/** Exit code of `TAKE` if a living process has the lock. */
const TAKEN = 9;

/** Script: `take FOLDER PID` takes the lock if it is free, or if its process is dead. */
const TAKE = `owner=$(cat "$1/owner" 2>/dev/null)
[ -z "$owner" ] || [ ! -e "/proc/$owner" ] || exit ${TAKEN}
printf %s "$2" >"$1/owner"`;

/**
 * The command that takes a lock. flock(1) lets one process at a time look at the owner and replace it: otherwise two
 * could take over the lock of the same dead process.
 */
export const takeLock = (folder: string, pid: string): string[] => [
  ...['flock', '--timeout', '20', `${folder}/guard`],
  ...['sh', '-c', TAKE, 'take', folder, pid],
];

/**
 * Runs something that only one process may do at a time. `folder`: the lock, below /run, so that a restart releases it.
 * Its file `owner` has the number of the process that has the lock. The lock of a dead process is taken over.
 * `taken`: the message if another process has it.
 */
export function withLock<T>(box: Box, folder: string, taken: string, use: () => T): T {
  box.makeFolder(folder);
  const command = takeLock(folder, box.processId());
  const ran = box.run(command, { timeoutSeconds: 30 });
  if (ran.code === TAKEN) throw new BoxError(taken, { code: LOCKED });
  if (ran.code !== 0) throw new BoxError(`cannot take a lock: ${whyFailed(command, ran)}`, { where: folder });
  try {
    return use();
  } finally {
    box.remove(`${folder}/owner`);
  }
}

import { readLock } from '../debian/lock.ts';
import { LOCK_PATH } from '../debian/lock-path.ts';
import { holdStore } from '../graph/hold.ts';
import { buildTargets } from '../graph/run.ts';
import { openRemote } from '../remote/remote.ts';
import { lockedPackages } from './packages.ts';

/**
 * The root of the tool tree of some sets of the lock. It is fetched and unpacked if it is missing. No clean-up removes it
 * while this process lives.
 */
export async function sdkTree(...sets: readonly string[]): Promise<string> {
  await holdStore();
  const target = lockedPackages(await readLock(LOCK_PATH)).tools(...sets);
  const remote = await openRemote();
  const tree = (await buildTargets([target], remote ? { remote } : {})).get(target.name);
  if (!tree) throw new Error(`${target.name} was built and is missing`);
  return tree.path;
}

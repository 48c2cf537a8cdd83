import { fileURLToPath } from 'node:url';
import { setQuiet } from '../../../sdk/lib/log.ts';
import { lockDate, readLock } from '../../debian/lock.ts';
import { LOCK_PATH } from '../../debian/lock-path.ts';
import { buildTargets } from '../../graph/run.ts';
import { imageTargets } from '../targets.ts';
import { small } from './small.ts';

// Child of reproducible.test.ts: builds the small image into the store of its environment, prints the digests.
setQuiet(true);
const root = fileURLToPath(new URL('../../../', import.meta.url));
const lock = await readLock(LOCK_PATH);
const { artifacts, tree, rootHash } = imageTargets(small, {
  root,
  lock,
  version: '1',
  dev: false,
  epoch: lockDate(lock),
  certificate: '',
});
const jobs = Number(process.env.TEST_JOBS);
const outputs = await buildTargets([...Object.values(artifacts), tree, rootHash], { jobs });
process.stdout.write(
  JSON.stringify(Object.fromEntries([...outputs].map(([name, { digest }]) => [name, digest]))),
);

import { setQuiet } from '../../../sdk/lib/log.ts';
import { buildTargets } from '../../graph/run.ts';
import { smallTargets } from './small-targets.ts';

// Child of reproducible.test.ts: builds the small image into the store of its environment, prints the digests.
setQuiet(true);
const { artifacts, tree, rootHash } = await smallTargets();
const jobs = Number(process.env.TEST_JOBS);
const outputs = await buildTargets([...Object.values(artifacts), tree, rootHash], { jobs });
process.stdout.write(
  JSON.stringify(Object.fromEntries([...outputs].map(([name, { digest }]) => [name, digest]))),
);

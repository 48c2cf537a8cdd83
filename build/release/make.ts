import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { badInput, Failure } from '../../sdk/lib/errors.ts';
import { holdStore } from '../graph/hold.ts';
import { describeFailures, runBuild } from '../graph/run.ts';
import { catchSignals } from '../graph/signals.ts';
import { closeStore, openStore } from '../graph/store.ts';
import { checkKey } from '../product/check-key.ts';
import type { LoadedImage } from '../product/images.ts';
import { MANIFEST, type Manifest } from '../product/manifest.ts';
import { openRemote } from '../remote/remote.ts';
import { releaseTargets, type Statements, statementsIn, writeRelease } from './build.ts';
import type { Release } from './format/types.ts';
import { readText } from './place.ts';
import { type LocatedRelease, rebuildFaults } from './verify.ts';

/** Builds the targets of a release and puts them into `folder`, as `writeRelease` does. */
export async function buildRelease(
  image: LoadedImage,
  folder: string,
  statements: Statements,
): Promise<{ release: Release; written: boolean }> {
  const store = openStore();
  await holdStore(); // until the release has its files
  const targets = releaseTargets(image);
  const remote = await openRemote();
  await checkKey(targets, store, { remote: remote !== undefined });
  const options = { store, ...(remote ? { remote } : {}) };
  const { outputs, failures, skipped } = await runBuild(targets, options);
  if (failures.length + skipped.length > 0) {
    throw new Failure(`${image.name} cannot be released: ${describeFailures(failures).join('\n')}`, {
      hint: `./draisine build ${image.name} shows the errors`,
    });
  }
  const interruption = catchSignals(() => closeStore(store));
  try {
    return await writeRelease(store, image, outputs, folder, statements);
  } finally {
    closeStore(store);
    interruption.end();
  }
}

/**
 * Builds a release again and compares all bytes. `image` is the checkout's image with that name and version.
 */
export async function checkRebuilt({ value, place }: LocatedRelease, image: LoadedImage): Promise<void> {
  const text = await readText(place, MANIFEST, 'a release has one');
  if ((JSON.parse(text) as Manifest).lock !== image.lock)
    throw badInput('it was built from another lock than the one here', {
      where: place.where,
      hint: 'check out the commit that it was built from (git log packages/lock.json)',
    });
  const scratch = await mkdtemp(join(tmpdir(), `draisine-rebuild-${process.pid}-`));
  try {
    const { release } = await buildRelease(image, join(scratch, 'release'), statementsIn(value));
    const faults = rebuildFaults(value, release);
    if (faults.length > 0)
      throw new Failure(`the second build differs: ${faults.join('\n       ')}`, {
        where: place.where,
        hint: 'check out the commit of the release, and use the public halves of the keys that it was built with',
      });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setQuiet } from '../../sdk/lib/log.ts';
import { temporaryFolder } from '../graph/testing.ts';
import { small } from '../image/testing/small.ts';
import type { LoadedImage } from '../product/images.ts';
import { imageProduct } from '../product/product.ts';
import { buildRelease, checkRebuilt } from './make.ts';
import { placeOf } from './place.ts';
import { fileFaults, readRelease } from './verify.ts';

setQuiet(true);

test('the small image as a release: whole, and built again from its lock it is the same', async (t) => {
  const version = '2026.1129.7';
  const image: LoadedImage = { name: 'small', ...(await imageProduct(small, { dev: false, version })) };
  const folder = join(await temporaryFolder(t), version);
  const { release } = await buildRelease(image, folder, { severity: 'none' });
  assert.equal(release.version, version);
  assert.match(release.kernel, /^\d+\.\d+.*-amd64$/);
  assert.ok(readdirSync(folder).includes('sbom.cdx.json'));
  const located = await readRelease(placeOf(folder));
  assert.deepEqual(await fileFaults(located), []);
  assert.match(readFileSync(join(folder, 'facts.json'), 'utf8'), /"root": /);
  await checkRebuilt(located, image);
  const other: LoadedImage = {
    name: 'small',
    ...(await imageProduct({ ...small, cmdline: ['loud'] }, { dev: false, version })),
  };
  await assert.rejects(checkRebuilt(located, other), { message: /uki\.efi has SHA-256/ });
});

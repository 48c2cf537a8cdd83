import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cacheDir } from '../../sdk/lib/cache.ts';
import { parseOwnedName } from '../graph/owner.ts';
import { sdkTree } from './sdk.ts';

test('a process with a tool tree holds the store', async () => {
  const mine = () =>
    readdirSync(join(cacheDir(), 'tmp')).filter((name) => parseOwnedName(name)?.pid === process.pid);
  await sdkTree('sdk-image');
  assert.equal(mine().length, 1);
  await sdkTree('sdk-image');
  assert.equal(mine().length, 1, 'once is enough');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readLock } from '../../build/debian/lock.ts';
import { LOCK_PATH } from '../../build/debian/lock-path.ts';
import { makeGraph } from '../../build/graph/graph.ts';
import { isKeyedByModule } from '../../build/graph/key.ts';
import { lockedPackages } from '../../build/image/packages.ts';
import { n100Config } from './config/index.ts';
import { ownKernel } from './n100.ts';

test('an edit of TypeScript compiles no kernel and no ZFS: their keys are the content of the sandbox', async () => {
  const packages = lockedPackages(await readLock(LOCK_PATH));
  const { kernel, extraModules } = ownKernel('n100', n100Config).from(packages, 'certificate');
  const { byName } = makeGraph([kernel, ...extraModules]);
  for (const name of ['compile:kernel-n100', 'compile:zfs-n100', 'configure:kernel-n100']) {
    const recipe = byName.get(name)?.target.recipe;
    assert.ok(recipe && !isKeyedByModule(recipe), name);
    assert.ok(recipe.uncounted.includes('sandbox'), name);
  }
});

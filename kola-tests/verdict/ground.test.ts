import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sha256 } from '../../sdk/lib/files.ts';
import { artifactDigests } from './ground.ts';
import { temporaryCheckout } from './testing.ts';

test('an artifact counts by the content of its file; one that differs from the manifest has no digest', async (t) => {
  const { root } = await temporaryCheckout(t, {});
  const dir = join(root, 'out/n100');
  mkdirSync(dir, { recursive: true });
  const artifact = (name: string, text: string) => ({
    name,
    path: name,
    size: text.length,
    sha256: sha256(text),
  });
  const artifacts = [artifact('disk', 'a disk'), artifact('iso', 'an iso'), artifact('kernel', 'a kernel')];
  const manifest = {
    ...{ name: 'n100', version: '1', lock: 'cd'.repeat(32), usrHash: 'ab'.repeat(32), packages: [] },
    artifacts,
  };
  const text = JSON.stringify(manifest);
  writeFileSync(join(dir, 'manifest.json'), text);
  writeFileSync(join(dir, 'disk'), 'a disk');
  writeFileSync(join(dir, 'iso'), 'AN iso');
  assert.deepEqual(await artifactDigests(join(root, 'out'), 'n100'), {
    disk: sha256('a disk'),
    iso: 'none',
    kernel: 'none',
    'manifest.json': sha256(text),
  });
});

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import { temporaryFolder, temporaryStore } from '../graph/testing.ts';
import { makeRelease } from '../release/testing.ts';
import { releaseDiff } from './release-diff.ts';

test('diff: packages that the lock of the checkout does not pin are named, because their CVE numbers are missing', async (t) => {
  const [store, folder] = [await temporaryStore(t), await temporaryFolder(t)];
  const release = async (version: string, bash: string) => {
    const packages = [{ name: 'bash', version: bash, architecture: 'amd64' as const }];
    await makeRelease(store, join(folder, version), { version, packages });
    return join(folder, version);
  };
  const [from, to] = [await release('2026.1129.0', '0.1-1'), await release('2026.1130.0', '0.2-1')];
  const before = process.env.DRAISINE_CACHE;
  process.env.DRAISINE_CACHE = join(folder, 'cache');
  t.after(() => {
    if (before === undefined) delete process.env.DRAISINE_CACHE;
    else process.env.DRAISINE_CACHE = before;
  });
  const said: string[] = [];
  mock.method(process.stderr, 'write', (text: string) => said.push(text));
  t.after(() => mock.restoreAll());
  await releaseDiff(from, to, { output: join(folder, 'notes.md') });
  mock.restoreAll();
  assert.match(
    said.join(''),
    /warning: the notes lack the changelogs and CVE numbers of 1 packages.*: bash 0\.2-1;/,
  );
});

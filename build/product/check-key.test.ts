import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildTargets } from '../graph/run.ts';
import { recipe } from '../graph/target.ts';
import { neverAborted, reopen, temporaryFolder, temporaryStore } from '../graph/testing.ts';
import { checkKey } from './check-key.ts';

const kernel = recipe<{ certificate: string }>({
  from: import.meta.url,
  kind: 'file',
  run: ({ inputs, out }) => writeFile(out, inputs.certificate),
});

test('a key that cannot sign is reported before a target needs it, and only if one does', async (t) => {
  const store = await temporaryStore(t);
  const keys = await temporaryFolder(t);
  process.env.DRAISINE_KEYS = keys;
  t.after(() => delete process.env.DRAISINE_KEYS);
  await writeFile(join(keys, 'modules.crt'), 'nonsense');
  const target = kernel('kernel', { certificate: 'nonsense' });
  const wrong = { name: 'Failure', exitCode: 2, message: /not a certificate/ };
  await assert.rejects(checkKey([target], reopen(store)), wrong);
  await checkKey([target], reopen(store), { remote: true }); // its output may be there
  await assert.rejects(checkKey([target], reopen(store), { remote: true, rebuild: true }), wrong);
  await buildTargets([target], { store: reopen(store), signal: neverAborted() });
  await checkKey([target], reopen(store));
  await assert.rejects(checkKey([target], reopen(store), { rebuild: true }), wrong);
});

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sha256 } from '../../../sdk/lib/files.ts';
import { readArtifacts } from './artifacts.ts';

async function withOut(manifest: string | undefined, use: (out: string) => Promise<void>): Promise<void> {
  const out = await mkdtemp(join(tmpdir(), 'artifacts-test-'));
  const cache = process.env.DRAISINE_CACHE;
  process.env.DRAISINE_CACHE = out; // the folder of remembered digests
  try {
    await mkdir(join(out, 'n100'));
    await writeFile(join(out, 'n100/disk'), '0123456789');
    if (manifest !== undefined) await writeFile(join(out, 'n100/manifest.json'), manifest);
    await use(out);
  } finally {
    if (cache === undefined) delete process.env.DRAISINE_CACHE;
    else process.env.DRAISINE_CACHE = cache;
    await rm(out, { recursive: true, force: true });
  }
}

const manifest = (change: object = {}, disk: object = {}): string =>
  JSON.stringify({
    ...{ name: 'n100', version: '1', lock: 'cd'.repeat(32), usrHash: 'ab'.repeat(32), packages: [] },
    artifacts: [{ name: 'disk', path: 'disk', size: 10, sha256: sha256('0123456789'), ...disk }],
    ...change,
  });

test('an artifact is found, and checked against its manifest', async () => {
  await withOut(manifest(), async (out) => {
    const image = await readArtifacts(out, 'n100');
    assert.equal(image.version, '1');
    assert.equal((await image.get('disk')).path, join(out, 'n100/disk'));
    assert.ok(!image.has('iso'));
    await assert.rejects(image.get('iso'), { exitCode: 2, message: /no artifact named iso/ });
  });
});

test('a development build is found by its folder, and made by its image', async () => {
  await withOut(manifest(), async (out) => {
    await assert.rejects(readArtifacts(out, 'n100-dev'), { hint: './draisine build n100 --dev' });
    await rename(join(out, 'n100'), join(out, 'n100-dev'));
    const image = await readArtifacts(out, 'n100-dev');
    assert.equal((await image.get('disk')).path, join(out, 'n100-dev/disk'));
  });
});

test('a missing, truncated or foreign artifact is one clear error with a hint', async () => {
  const cases: [string | undefined, RegExp][] = [
    [undefined, /n100 is not built/],
    ['{', /not JSON/],
    ['[]', /\$ must be object/],
    [manifest({ artifacts: {} }), /\$\.artifacts must be array/],
    [manifest({}, { sha256: 'x' }), /\$\.artifacts\[0\]\.sha256 must match/],
    [manifest({ name: 'other' }), /manifest of other, not of n100/],
    [manifest({}, { size: 11 }), /disk is truncated: 10 bytes, its manifest says 11/],
    [manifest({}, { size: 9 }), /disk is not the one that was built/],
    [manifest({}, { path: 'gone' }), /disk is missing/],
    [manifest({}, { sha256: 'cd'.repeat(32) }), /not the one that was built: its SHA-256 is 84d8.*says cdcd/],
  ];
  for (const [text, message] of cases) {
    await withOut(text, async (out) => {
      await assert.rejects(
        readArtifacts(out, 'n100').then((image) => image.get('disk')),
        { name: 'Failure', exitCode: 2, message, hint: './draisine build n100' },
      );
    });
  }
});

test('another file of the same size and name is detected, although the digest is remembered', async () => {
  await withOut(manifest(), async (out) => {
    const image = await readArtifacts(out, 'n100');
    await image.get('disk');
    await image.get('disk');
    await writeFile(join(out, 'n100/disk'), '9876543210');
    await assert.rejects(image.get('disk'), /not the one that was built: its SHA-256/);
  });
});

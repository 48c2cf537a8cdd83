import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { appendFile, chmod, cp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sha256 } from '../../sdk/lib/files.ts';
import { setQuiet } from '../../sdk/lib/log.ts';
import { unfinishedName } from '../graph/publish.ts';
import { temporaryFolder, temporaryStore } from '../graph/testing.ts';
import { parseFormat } from './format/read.ts';
import { placeOf } from './place.ts';
import { makeRelease, signRelease, testKeys } from './testing.ts';
import { checkFiles, checkReleaseTrust, readRelease, rebuildFaults } from './verify.ts';

setQuiet(true);

/** A static server of a folder; its address. */
async function serve(t: TestContext, folder: string): Promise<string> {
  const server = createServer((request, response) => {
    const path = join(folder, decodeURIComponent(request.url ?? ''));
    if (!existsSync(path)) response.writeHead(404).end();
    else response.writeHead(200).end(readFileSync(path));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return `http://127.0.0.1:${address.port}`;
}

const FILES = [
  ...['disk.img.zst', 'draisine.iso', 'facts.json', 'manifest.json', 'provenance.json'],
  ...['sbom.cdx.json', 'sbom.spdx.json', 'uki.efi', 'usr.img'],
];

test('a release lists its files by digest, and describes them', async (t) => {
  const folder = join(await temporaryFolder(t), 'box', '2026.1129.0');
  const features = { zfsFeatures: ['async_destroy'] };
  const packages = [{ name: 'zfsutils-linux', version: '1:2.3.9-0+deb13u1', architecture: 'amd64' }];
  const statements = { severity: 'low', needs: '2026.1101.0', notes: 'https://notes.example/' } as const;
  await makeRelease(await temporaryStore(t), folder, { facts: features, packages }, statements);
  assert.deepEqual(readdirSync(folder).sort(), [...FILES, 'release.json'].sort());
  const { value, envelope } = await readRelease(placeOf(folder));
  assert.deepEqual(envelope.signatures, []);
  assert.deepEqual(Object.keys(value.files).sort(), [...FILES].sort());
  for (const [name, file] of Object.entries(value.files)) {
    const bytes = readFileSync(join(folder, name));
    assert.deepEqual(file, { size: bytes.length, sha256: sha256(bytes) }, name);
  }
  assert.equal(value.date, '2023-11-14T22:13:20Z');
  assert.equal(value.kernel, '6.12-box');
  assert.deepEqual(value.zfs, { version: '2.3.9', features: ['async_destroy'] });
  assert.deepEqual(value.usr, { data: 3, hash: 'hash tree of usr'.length, hashOffset: 4096 });
  assert.equal(value.rootHash, sha256('usr'));
  assert.equal(value.needs, '2026.1101.0');
});

test('provenance: an in-toto statement about outputs and inputs, without clock and builder', async (t) => {
  const folder = join(await temporaryFolder(t), 'release');
  await makeRelease(await temporaryStore(t), folder);
  const statement = JSON.parse(readFileSync(join(folder, 'provenance.json'), 'utf8')) as {
    _type: string;
    predicateType: string;
    subject: { name: string; digest: { sha256: string } }[];
    predicate: { buildDefinition: { resolvedDependencies: unknown[]; externalParameters: unknown } };
  };
  assert.equal(statement._type, 'https://in-toto.io/Statement/v1');
  assert.equal(statement.predicateType, 'https://slsa.dev/provenance/v1');
  assert.deepEqual(
    statement.subject.map(({ name }) => name),
    FILES.filter((name) => name !== 'provenance.json').sort(),
  );
  for (const { name, digest } of statement.subject)
    assert.equal(digest.sha256, sha256(readFileSync(join(folder, name))));
  assert.deepEqual(statement.predicate.buildDefinition.externalParameters, {
    ...{ image: 'box', version: '2026.1129.0', epoch: 1_700_000_000 },
  });
  assert.deepEqual(statement.predicate.buildDefinition.resolvedDependencies, [
    { name: 'packages/lock.json', digest: { sha256: sha256('lock') } },
    { name: 'modules.crt', digest: { sha256: sha256('certificate') } },
  ]);
});

test('two machines that build one release get the same bytes', async (t) => {
  const folder = await temporaryFolder(t);
  const [one, two] = [join(folder, 'one'), join(folder, 'two')];
  const { release: a } = await makeRelease(await temporaryStore(t), one);
  const { release: b } = await makeRelease(await temporaryStore(t), two);
  for (const name of readdirSync(one))
    assert.deepEqual(readFileSync(join(one, name)), readFileSync(join(two, name)), name);
  assert.deepEqual(rebuildFaults(a, b), []);
  const { release: c } = await makeRelease(await temporaryStore(t), join(folder, 'three'), {
    content: 'other',
  });
  assert.match(rebuildFaults(a, c).join('\n'), /usr\.img has SHA-256 [0-9a-f]{64} now, the released one has/);
});

test('a signed release never changes; writing the same one again keeps the signatures and puts lost files back', async (t) => {
  const store = await temporaryStore(t);
  const folder = join(await temporaryFolder(t), 'release');
  const keys = await testKeys(t);
  assert.equal((await makeRelease(store, folder)).written, true);
  const own = unfinishedName(folder);
  const killed = own.replace(`tmp-${process.pid}-`, 'tmp-999999999-');
  for (const name of [own, killed]) cpSync(folder, name, { recursive: true });
  assert.equal((await makeRelease(store, folder, { content: 'better' })).written, true);
  assert.deepEqual([existsSync(own), existsSync(killed)], [true, false]);
  rmSync(own, { recursive: true });
  assert.deepEqual(readFileSync(join(folder, 'uki.efi'), 'utf8'), 'uki of better');
  await signRelease(folder, keys);
  const before = statSync(join(folder, 'release.json'), { bigint: true });
  assert.equal((await makeRelease(store, folder, { content: 'better' })).written, false);
  assert.deepEqual(statSync(join(folder, 'release.json'), { bigint: true }).mtimeNs, before.mtimeNs);
  rmSync(join(folder, 'usr.img'));
  writeFileSync(join(folder, 'manifest.json'), '{}');
  assert.equal((await makeRelease(store, folder, { content: 'better' })).written, true);
  await checkFiles(await readRelease(placeOf(folder)));
  assert.deepEqual(statSync(join(folder, 'release.json'), { bigint: true }).mtimeNs, before.mtimeNs);
  await assert.rejects(makeRelease(store, folder, { content: 'worse' }), {
    exitCode: 2,
    message: /signed already, with other content/,
    hint: /higher version/,
  });
  assert.deepEqual(readdirSync(join(folder, '..')), ['release'], 'nothing half-made is left');
});

test('verify, here and over HTTP: signatures, thresholds, roots, and every file', async (t) => {
  const folder = await temporaryFolder(t);
  const release = join(folder, 'release');
  const keys = await testKeys(t, 2);
  await makeRelease(await temporaryStore(t), release, {}, { severity: 'none', root: 1 });
  const url = await serve(t, folder);
  const check = async (where: string, root = keys.root) => {
    const found = await readRelease(placeOf(where));
    await checkReleaseTrust(found, root);
    await checkFiles(found);
  };
  for (const where of [release, `${url}/release`])
    await assert.rejects(check(where), { exitCode: 2, message: /^0 of the 2 signatures/ });
  await signRelease(release, keys, 1);
  await assert.rejects(check(release), { exitCode: 2, message: /^1 of the 2 signatures/ });
  await signRelease(release, keys, 2);
  for (const where of [release, `${url}/release`, `${url}/release/`]) await check(where);
  await assert.rejects(check(`${url}/nothing`), { exitCode: 2, message: /there is no release\.json/ });
  await assert.rejects(check(release, (await testKeys(t, 2)).root), { exitCode: 2, message: /^0 of the 2/ });

  const spoilt = join(folder, 'spoilt');
  await cp(release, spoilt, { recursive: true });
  await chmod(join(spoilt, 'uki.efi'), 0o600);
  await appendFile(join(spoilt, 'uki.efi'), 'x');
  await rm(join(spoilt, 'usr.img'));
  for (const where of [spoilt, `${url}/spoilt`])
    await assert.rejects(check(where), {
      exitCode: 1,
      message: /uki\.efi has \d+ bytes.*\n.*usr\.img is missing/,
    });
  const text = readFileSync(join(release, 'release.json'), 'utf8');
  await writeFile(join(spoilt, 'release.json'), text.replace('2026.1129.0', '2026.1129.1'));
  await assert.rejects(check(spoilt), { exitCode: 2, message: /^0 of the 2 signatures/ });
});

test('a server that breaks off in the middle of a file: one error that names the file', async (t) => {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-length': 1000 });
    response.write('{');
    setTimeout(() => response.destroy(), 50);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const place = placeOf(`http://127.0.0.1:${address.port}/r`);
  const refusal = { name: 'Failure', exitCode: 1, message: /^the server broke off/, where: /\/r\/usr\.img$/ };
  await assert.rejects(place.bytes('usr.img', 2000), refusal);
  await assert.rejects(place.digest('usr.img'), refusal);
});

test('a release that needs a newer root than the one that is trusted', async (t) => {
  const folder = join(await temporaryFolder(t), 'release');
  const keys = await testKeys(t);
  await makeRelease(await temporaryStore(t), folder, {}, { severity: 'none', root: 2 });
  await signRelease(folder, keys);
  await assert.rejects(checkReleaseTrust(await readRelease(placeOf(folder)), keys.root), {
    exitCode: 2,
    message: /needs root 2 or a later one, this is root 1/,
  });
});

test('release.json is checked against the schema before it is written', async (t) => {
  const folder = join(await temporaryFolder(t), 'release');
  const { release } = await makeRelease(await temporaryStore(t), folder);
  await parseFormat('release', JSON.stringify(release), 'x');
});

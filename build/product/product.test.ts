import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { versionFault } from '../release/format/version.ts';
import { loadImage } from './images.ts';

const given = process.env.DRAISINE_VERSION;
afterEach(() => {
  if (given === undefined) delete process.env.DRAISINE_VERSION;
  else process.env.DRAISINE_VERSION = given;
});

test('the version of an image: of the lock, of the environment, or asked for', async () => {
  delete process.env.DRAISINE_VERSION;
  const { version } = await loadImage('n100', { dev: false });
  assert.equal(versionFault(version), undefined);
  assert.match(version, /\.0$/);
  process.env.DRAISINE_VERSION = '2030.131.4';
  assert.equal((await loadImage('n100', { dev: false })).version, '2030.131.4');
  const asked = await loadImage('n100', { dev: false, version: '2031.101.0' });
  assert.equal(asked.version, '2031.101.0');
});

test('a wrong version is refused, and the error names its source', async () => {
  process.env.DRAISINE_VERSION = '2030.1301.0';
  await assert.rejects(loadImage('n100', { dev: false }), { exitCode: 2, where: 'DRAISINE_VERSION' });
  await assert.rejects(loadImage('n100', { dev: false, version: '1.2' }), {
    exitCode: 2,
    where: '--version',
    message: /"1\.2" is not a version: it is not YYYY\.MDD\.N/,
  });
});

test('two releases of an image share the salt of dm-verity, and nothing that names them', async () => {
  const [older, newer] = await Promise.all(
    ['2030.101.0', '2030.102.0'].map((version) => loadImage('n100', { dev: false, version })),
  );
  const inputs = (image = older) => image?.artifacts['usr-verity']?.target.inputs ?? assert.fail();
  assert.equal(inputs(older).salt, inputs(newer).salt);
  assert.notEqual(inputs(older).uuid, inputs(newer).uuid);
});

test('the release after this one, for tests: another version, the same salt, the same kernel and signature key', async () => {
  const { artifacts, version } = await loadImage('n100', { dev: false, version: '2030.101.7' });
  assert.equal(version, '2030.101.7');
  const next = artifacts['next.uki'] ?? assert.fail();
  assert.equal(next.target.name, 'n100-next:uki');
  assert.match(String(next.target.inputs.osRelease), /^IMAGE_VERSION=2030\.101\.8$/m);
  const hashTree = (name: string) => {
    const { hashTree } = artifacts[name]?.target.inputs as { hashTree: { inputs: { salt: string } } };
    return hashTree.inputs.salt;
  };
  assert.equal(hashTree('next.usr.img'), hashTree('usr.img'));
});

test('the packages of an image are those of its bill of materials, with firmware and microcode, sorted', async () => {
  const { packages, artifacts } = await loadImage('n100', { dev: false });
  const listed = packages.map(({ name, version }) => `${name} ${version}`);
  const pins = artifacts.sbom?.target.inputs.pins as readonly { name: string; version: string }[];
  assert.deepEqual(listed, pins.map(({ name, version }) => `${name} ${version}`).sort());
  for (const name of ['intel-microcode', 'firmware-realtek', 'libc6'])
    assert.ok(
      packages.some((each) => each.name === name),
      name,
    );
});

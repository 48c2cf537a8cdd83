import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256 } from '../../sdk/lib/files.ts';
import type { PoolFile } from '../debian/fetch.ts';
import type { NotedRelease } from './notes.ts';
import { fetchedIn, provenanceStatement } from './provenance.ts';
import { besidesSecurity, type SecurityView } from './security.ts';

const FACTS = { kernel: '6', privileged: {}, units: {}, users: {}, kernelConfig: {}, listeners: {} };

function view(versions: Readonly<Record<string, string>>, fetched: readonly string[]): SecurityView {
  const packages = Object.entries(versions).map(([name, version]) => ({
    ...{ name, version, architecture: 'amd64' },
  }));
  const noted = { release: { files: {} }, manifest: { packages }, facts: FACTS } as unknown as NotedRelease;
  return { ...noted, fetched };
}

const pool = 'debian/pool/main';
const old = view({ bash: '5.2', openssl: '3.5.1' }, [`${pool}/bash_5.2.deb`, `${pool}/openssl_3.5.1.deb`]);

test('a fix of the security archive is one; a package of another archive, a new or lost one, is named', () => {
  const fix = 'debian-security/pool/updates/main/openssl_3.5.1-1~deb13u2.deb';
  const fixed = view({ bash: '5.2', openssl: '3.5.1-1~deb13u2' }, [`${pool}/bash_5.2.deb`, fix]);
  assert.deepEqual(besidesSecurity(old, fixed), []);
  assert.deepEqual(besidesSecurity(old, old), []);
  const newer = view({ bash: '5.3', openssl: '3.5.1-1~deb13u2' }, [`${pool}/bash_5.3.deb`, fix]);
  assert.deepEqual(besidesSecurity(old, newer), ['bash_5.3.deb does not come from debian-security']);
  const tool = view({ bash: '5.2', openssl: '3.5.1' }, [...old.fetched, 'debian/pool/main/gcc_15.deb']);
  assert.deepEqual(besidesSecurity(old, tool), ['gcc_15.deb does not come from debian-security']);
  assert.deepEqual(besidesSecurity(old, view({ openssl: '3.5.1' }, old.fetched)), [
    'the package bash is gone',
  ]);
});

test('kernel options, users, listeners and privileged files are changes; many are counted', () => {
  const facts = {
    ...FACTS,
    kernelConfig: Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`CONFIG_${index + 10}`, 'y'])),
    users: { intruder: '1' },
  };
  const lines = besidesSecurity(old, { ...old, facts } as unknown as SecurityView);
  assert.equal(lines[0], 'the user intruder changed');
  assert.equal(lines[1], 'the kernel option CONFIG_10 changed');
  assert.equal(lines.at(-1), 'and 21 more: ./draisine release diff shows them');
});

test('fetched files are read from the provenance, without the lock and the keys', () => {
  const file: PoolFile = { archive: 'debian-security', path: 'pool/a.deb', sha256: sha256('a'), size: 1 };
  const text = provenanceStatement({
    ...{ image: 'box', version: '2026.1129.0', epoch: 0, lock: sha256('lock') },
    ...{ certificate: sha256('c'), trust: sha256('t'), fetched: [file], files: {} },
  });
  assert.deepEqual(fetchedIn(text, 'provenance.json'), ['debian-security/pool/a.deb']);
  assert.throws(() => fetchedIn('{}', 'provenance.json'), {
    exitCode: 2,
    message: /does not list the fetched files/,
  });
});

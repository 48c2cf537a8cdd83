import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { archiveUrls, mirrorBases } from './mirror.ts';

async function aptDir(t: TestContext, files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'draisine-apt-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'sources.list.d'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

test('flags come first, then the environment, then APT', async (t) => {
  const dir = await aptDir(t, { 'sources.list': 'deb http://apt.example/debian trixie main\n' });
  const environment = { DRAISINE_MIRROR: ' http://env.example/debian/  https://two.example/d ' };
  assert.deepEqual(await mirrorBases({ flags: ['http://flag.example/x/'], environment, aptDir: dir }), [
    'http://flag.example/x',
  ]);
  assert.deepEqual(await mirrorBases({ environment, aptDir: dir }), [
    'http://env.example/debian',
    'https://two.example/d',
  ]);
  assert.deepEqual(await mirrorBases({ environment: {}, aptDir: dir }), ['http://apt.example/debian']);
});

test('unreadable APT sources are reported with their reason', async (t) => {
  const dir = await aptDir(t, {});
  await mkdir(join(dir, 'sources.list.d', 'debian.sources'));
  await assert.rejects(mirrorBases({ environment: {}, aptDir: dir }), {
    name: 'Failure',
    message: /cannot read APT's list of mirrors: EISDIR/,
    where: join(dir, 'sources.list.d', 'debian.sources'),
    hint: /DRAISINE_MIRROR/,
  });
});

test('reads both forms of APT sources, in APT’s order, without disabled, source-only and non-web entries', async (t) => {
  const dir = await aptDir(t, {
    'sources.list': [
      '# deb http://commented.example/debian trixie main',
      'deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] http://one.example/debian trixie main contrib',
      'deb-src http://source.example/debian trixie main',
      'deb cdrom:[Debian]/ trixie main',
      'deb http://one.example/debian/ trixie-updates main',
      '',
    ].join('\n'),
    'sources.list.d/b.sources': [
      'Types: deb deb-src',
      'URIs: https://three.example/debian https://four.example/debian',
      'Suites: trixie',
      'Components: main',
      'Signed-By:',
      ' -----BEGIN PGP PUBLIC KEY BLOCK-----',
      ' .',
      '',
      '# off',
      'Enabled: no',
      'Types: deb',
      'URIs: http://off.example/debian',
      'Suites: trixie',
      '',
    ].join('\n'),
    'sources.list.d/a.list': 'deb http://two.example/debian trixie main\n',
    'sources.list.d/c.list.save': 'deb http://saved.example/debian trixie main\n',
  });
  assert.deepEqual(await mirrorBases({ environment: {}, aptDir: dir }), [
    'http://one.example/debian',
    'http://two.example/debian',
    'https://three.example/debian',
    'https://four.example/debian',
  ]);
});

test('no mirror at all is one clear error', async (t) => {
  for (const dir of [await aptDir(t, {}), '/nonexistent']) {
    await assert.rejects(mirrorBases({ environment: {}, aptDir: dir }), (error) => {
      assert.ok(error instanceof Failure);
      assert.match(error.message, /no Debian mirror is known/);
      assert.match(error.hint ?? '', /DRAISINE_MIRROR/);
      return true;
    });
  }
});

test('an address that is not http or https is bad usage', async () => {
  for (const url of ['mirror.example/debian', 'ftp://mirror.example/debian', '/srv/debian', '']) {
    await assert.rejects(
      mirrorBases({ flags: [url] }),
      (error) => error instanceof Failure && error.exitCode === 2,
      url,
    );
  }
});

test('debian-security lies beside debian', () => {
  const bases = ['http://a.example/debian', 'http://b.example/debian-security', 'http://c.example/copy'];
  assert.deepEqual(archiveUrls(bases, 'debian-security'), [
    'http://a.example/debian-security',
    'http://b.example/debian-security',
    'http://c.example/copy',
  ]);
  assert.deepEqual(archiveUrls(bases, 'debian'), [
    'http://a.example/debian',
    'http://b.example/debian',
    'http://c.example/copy',
  ]);
});

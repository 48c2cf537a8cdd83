import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { sha256 } from '../../sdk/lib/files.ts';
import type { LockedPackage } from '../debian/lock.ts';
import { LOCK_PATH } from '../debian/lock-path.ts';
import { dir, file, symlink } from '../tree/testing.ts';
import { explainPath, type PathContext, whyPath } from './why-path.ts';

const by = (origin: string) => ({ origin });
const pin = (name: string, needs: Record<string, string>, root = false): LockedPackage => ({
  ...{ name, version: '1', architecture: 'amd64', size: 1, installedSize: 1, sha256: sha256(name) },
  ...{ archive: 'debian', suite: 'trixie', component: 'main', path: `pool/${name}.deb` },
  ...{ root, needs, dropped: {} },
});

const facts: PathContext = {
  image: 'box',
  tree: {
    entries: [
      dir('usr', by('implied')),
      dir('usr/bin', by('deb:base-files')),
      file('usr/bin/dash', '', by('deb:dash')),
      symlink('usr/bin/sh', 'dash', by('deb:dash')),
      dir('usr/lib', by('deb:base-files')),
      dir('usr/lib/x86_64-linux-gnu', by('deb:libc6')),
      file('usr/lib/x86_64-linux-gnu/libc.so.6', '', by('deb:libc6')),
      symlink('usr/lib/here', 'x86_64-linux-gnu', by('fixup:links')),
      file('usr/lib/gone.so', '', by('deb:left-the-lock')),
      file('usr/share/draisine/etc/ssh/sshd_config', '', by('overlay:system')),
      file('usr/share/draisine/etc/passwd', '', by('fixup:accounts')),
      file('usr/lib/modules/6/extra/zfs.ko', '', by('recipe:zfs')),
      file('usr/share/doc/kept', '', by('deb:dash')),
    ],
  },
  trims: [
    { reason: 'read elsewhere', paths: ['usr/share/doc/**'], except: ['usr/share/doc/kept'] },
    { reason: 'no cron here', paths: ['etc/cron.d'] },
  ],
  packages: [pin('base-files', {}, true), pin('dash', { libc6: 'libc6 (>= 2)' }, true), pin('libc6', {})],
  set: undefined,
};

test('the answer for a package’s file has the chain of the package', () => {
  const why = explainPath('/usr/lib/x86_64-linux-gnu/libc.so.6', facts);
  assert.equal(why.origin, 'deb:libc6');
  assert.deepEqual(
    why.package?.chain.map((step) => step.package),
    ['dash', 'libc6'],
  );
  assert.match(why.lines[0] ?? '', /from package libc6/);
  assert.match(why.lines.join('\n'), /needs libc6 \(>= 2\)/);
});

test('paths are those of the running system: merged /usr, /etc over its defaults, links on the way', () => {
  assert.equal(explainPath('/bin/dash', facts).at, 'usr/bin/dash');
  assert.equal(explainPath('/bin', facts).at, 'usr/bin');
  assert.equal(explainPath('//usr/lib/../bin//dash/', facts).at, 'usr/bin/dash');
  assert.equal(explainPath('/lib/here/libc.so.6', facts).at, 'usr/lib/x86_64-linux-gnu/libc.so.6');
  assert.equal(explainPath('/usr/bin/sh', facts).type, 'symlink'); // the link itself, not what it leads to
  const config = explainPath('/etc/ssh/sshd_config', facts);
  assert.equal(config.at, 'usr/share/draisine/etc/ssh/sshd_config');
  assert.match(config.lines[0] ?? '', /packages\/overlays\/system\/etc\/ssh\/sshd_config/);
});

test('the answer for any other file names its maker', () => {
  assert.match(explainPath('/etc/passwd', facts).lines[0] ?? '', /fix-up accounts/);
  assert.match(explainPath('/usr/lib/modules/6/extra/zfs.ko', facts).lines[0] ?? '', /recipe zfs/);
  assert.match(explainPath('/usr', facts).lines[0] ?? '', /implied by its contents, as \/usr\/bin\/dash/);
  const gone = explainPath('/usr/lib/gone.so', facts);
  assert.match(gone.lines[0] ?? '', /package left-the-lock/);
  assert.equal(gone.package, undefined);
});

test('the answer for a trimmed file has the trim’s reason; exceptions and existing files are not trimmed', () => {
  const doc = explainPath('/usr/share/doc/dash/copyright', facts);
  assert.deepEqual([doc.included, doc.trimmed], [false, 'read elsewhere']);
  assert.equal(explainPath('/etc/cron.d/job', facts).trimmed, 'no cron here');
  assert.equal(explainPath('/usr/share/doc/kept', facts).included, true);
});

test('an unknown path is bad input with advice', () => {
  const fails = (path: string, hint: RegExp) =>
    assert.throws(
      () => explainPath(path, facts),
      (error) => error instanceof Failure && error.exitCode === 2 && hint.test(error.hint ?? ''),
      path,
    );
  fails('/usr/sbin/dash', /did you mean \/usr\/bin\/dash\?/);
  fails('/usr/bin/vim', /include a package/);
  fails('/var/lib/thing', /made on the machine/);
  fails('/', /made on the machine/);
});

test('the command answers from the folder of a manifest, and names missing files', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'draisine-why-'));
  t.after(() => rm(folder, { recursive: true }));
  const lock = sha256(await readFile(LOCK_PATH));
  const manifest = { name: 'n100', version: '1', lock, usrHash: '', artifacts: [], packages: [] };
  await assert.rejects(whyPath(folder, '/usr/bin/bash', []), /is neither a manifest/);
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
  await assert.rejects(whyPath(folder, '/usr/bin/bash', []), /no tree\.json/);
  const tree = { entries: [file('usr/bin/bash', '', by('deb:bash'))] };
  await writeFile(join(folder, 'tree.json'), JSON.stringify(tree));
  const why = await whyPath(folder, '/bin/bash', []);
  assert.equal(why.package?.root, true);
  assert.equal((await whyPath(folder, '/usr/share/man/man1/bash.1.gz', [])).included, false);
});

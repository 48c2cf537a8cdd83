import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import type { Entry } from '../tree/entry.ts';
import { dir, file, hardlink, symlink, treeOf } from '../tree/testing.ts';
import {
  adjust,
  caBundle,
  type Fixups,
  links,
  onlyUsr,
  osRelease,
  unitLinks,
  VENDOR_ETC,
  varAsTmpfiles,
} from './fixups.ts';

const UNITS = 'usr/lib/systemd/system';
const none: Fixups = { enabledUnits: [], unitAliases: {}, links: {}, modes: [], moves: {} };

function fails(run: () => unknown, what: RegExp, where?: RegExp): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof Failure, String(error));
    assert.equal(error.exitCode, 2);
    assert.match(error.message, what);
    if (where) assert.match(error.where ?? '', where);
    return true;
  });
}

function textOf(entry: Entry): string {
  return entry.type === 'file' && 'inline' in entry.content ? entry.content.inline : assert.fail(entry.path);
}

describe('unitLinks', () => {
  const tree = treeOf(file(`${UNITS}/ssh.service`), file(`${UNITS}/getty@.service`));
  const enable = (unit: string) => ({ ...none, enabledUnits: [{ unit, wantedBy: 'multi-user.target' }] });

  test('enables units by links in /usr; an instance is a link to its template', () => {
    const targets = (fixups: Fixups) =>
      unitLinks(tree, fixups).map((entry) => [entry.path, entry.type === 'symlink' && entry.target]);
    assert.deepEqual(targets({ ...enable('ssh.service'), unitAliases: { 'sshd.service': 'ssh.service' } }), [
      [`${UNITS}/multi-user.target.wants/ssh.service`, '../ssh.service'],
      [`${UNITS}/sshd.service`, 'ssh.service'],
    ]);
    assert.deepEqual(targets(enable('getty@tty1.service')), [
      [`${UNITS}/multi-user.target.wants/getty@tty1.service`, '../getty@.service'],
    ]);
  });

  test('a missing unit is an error', () => {
    fails(() => unitLinks(tree, enable('nope.service')), /no unit nope\.service in the image/);
    fails(() => unitLinks(tree, enable('nope@x.service')), /no unit nope@\.service/);
    fails(
      () => unitLinks(tree, { ...none, unitAliases: { 'a.service': 'b.service' } }),
      /no unit b\.service/,
    );
  });
});

describe('adjust', () => {
  test('gives a program one capability instead of setuid', () => {
    const mode = {
      path: 'usr/bin/newuidmap',
      mode: 0o755,
      uid: 0,
      gid: 0,
      capability: 'cap_setuid',
    } as const;
    const { entries } = adjust(treeOf(file(mode.path, 'x', { mode: 0o4755 })), { modes: [mode], moves: {} });
    assert.equal(entries[0]?.mode, 0o755);
    // setcap cap_setuid=ep writes these bytes (getfattr -e hex -n security.capability).
    const bytes = Buffer.from(entries[0]?.xattrs?.['security.capability'] ?? '', 'base64').toString('hex');
    assert.equal(bytes, '0100000280000000000000000000000000000000');
  });

  const tree = treeOf(file('usr/bin/agent'), file('usr/lib/dracut/tool', 'x', { mode: 0o755 }));

  test('sets owner and mode, and moves files', () => {
    const { entries } = adjust(tree, {
      modes: [{ path: 'usr/bin/agent', mode: 0o2755, uid: 0, gid: 988 }],
      moves: { 'usr/lib/dracut/tool': 'usr/libexec/tool' },
    });
    const agent = entries.find(({ path }) => path === 'usr/bin/agent');
    assert.deepEqual([agent?.mode, agent?.gid], [0o2755, 988]);
    assert.deepEqual(
      entries.map(({ path }) => path),
      ['usr/bin/agent', 'usr/libexec/tool'],
    );
  });

  test('one error names all moves and modes without effect', () => {
    fails(
      () =>
        adjust(tree, {
          modes: [{ path: 'usr/bin/gone', mode: 0o755, uid: 0, gid: 0 }],
          moves: { 'usr/lib/gone': 'usr/lib/there' },
        }),
      /no such file in the image: usr\/bin\/gone, usr\/lib\/gone/,
    );
  });
});

describe('caBundle', () => {
  const at = 'usr/share/ca-certificates/mozilla';
  const read = (path: string) =>
    ({ [`${at}/a.crt`]: 'A', [`${at}/b.crt`]: 'B\n\n' })[path] ?? assert.fail(path);

  test('has every certificate in order, each with one newline at its end', () => {
    const tree = treeOf(file(`${at}/a.crt`), file(`${at}/b.crt`), file(`${at}/README`), dir(`${at}/c.crt`));
    assert.equal(textOf(caBundle(tree, read)), 'A\nB\n');
  });

  test('an image without certificates is an error', () => {
    fails(() => caBundle(treeOf(file(`${at}/README`)), read), /no CA certificates/);
  });
});

describe('varAsTmpfiles', () => {
  const none = () => assert.fail('there is no tmpfiles.d to read');

  test('folders and links of /var become lines of tmpfiles.d(5), numbers as they are', () => {
    const tree = treeOf(
      dir('usr'),
      dir('var'),
      dir('var/mail', { mode: 0o2775, gid: 8 }),
      symlink('var/spool', 'mail'),
    );
    assert.equal(textOf(varAsTmpfiles(tree, none)), 'd /var/mail 2775 0 8 -\nL /var/spool - - - - mail\n');
  });

  test("a path in a package's own tmpfiles.d is left out, so that its age holds", () => {
    const tree = treeOf(dir('var'), dir('var/log'), dir('var/tmp'), file('usr/lib/tmpfiles.d/tmp.conf'));
    const read = () => '# x\nq /var/tmp 1777 root root 30d\nz /var/log 0755 root root -\n';
    assert.equal(textOf(varAsTmpfiles(tree, read)), 'd /var/log 0755 0 0 -\n');
  });

  test('a file in /var is refused with its origin', () => {
    const origin = 'deb:some';
    fails(
      () => varAsTmpfiles(treeOf(file('var/lib/db', 'x', { origin })), none),
      /\/var\/lib\/db is a file in \/var/,
      /deb:some/,
    );
    fails(
      () => varAsTmpfiles(treeOf(hardlink('var/lib/db', 'usr/db', { origin })), none),
      /is a file in \/var/,
    );
  });
});

describe('onlyUsr', () => {
  test('/usr stays, /etc becomes the defaults, /var and empty folders of / are left out', () => {
    const { entries } = onlyUsr(
      treeOf(
        dir('usr'),
        file('usr/bin/a'),
        dir('etc'),
        file('etc/a', 'x', { mode: 0o600 }),
        hardlink('etc/b', 'etc/a', { mode: 0o600 }),
        symlink('etc/c', '../usr/bin/a'),
        dir('etcetera'),
        dir('usrlocal'),
        dir('var/lib'),
        symlink('bin', 'usr/bin'),
      ),
    );
    const shown = entries
      .map((entry) => `${entry.path}${'target' in entry ? ` ${entry.target}` : ''}`)
      .sort(byteOrder);
    assert.deepEqual(shown, [
      'usr',
      'usr/bin/a',
      VENDOR_ETC,
      `${VENDOR_ETC}/a`,
      `${VENDOR_ETC}/b ${VENDOR_ETC}/a`,
      `${VENDOR_ETC}/c ../usr/bin/a`,
    ]);
  });

  test('a file anywhere else is refused with its origin', () => {
    for (const path of ['opt/tool', 'root/.profile', 'etcetera/x', 'boot/vmlinuz'])
      fails(
        () => onlyUsr(treeOf(file(path, '', { origin: 'deb:odd' }))),
        /lies outside \/usr and \/etc/,
        /deb:odd/,
      );
  });
});

test('links and os-release are as given', () => {
  assert.deepEqual(
    links({ 'usr/bin/awk': 'mawk' }).map((entry) => entry.type === 'symlink' && entry.target),
    ['mawk'],
  );
  const lines = osRelease({ name: 'draisine', version: '1.2', image: 'box' }).split('\n');
  for (const line of ['ID=draisine', 'VERSION_ID=1.2', 'IMAGE_ID=box', 'IMAGE_VERSION=1.2'])
    assert.ok(lines.includes(line), line);
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { dir, file, symlink, treeOf } from '../tree/testing.ts';
import { type Accounts, accountFiles, checkAccounts, sysusersFile } from './accounts.ts';

const accounts: Accounts = {
  users: [
    { name: 'root', uid: 0, gid: 0, comment: 'root', home: '/root', shell: '/bin/sh' },
    { name: 'sshd', uid: 994, gid: 65534, comment: 'sshd', home: '/run/sshd', shell: '/usr/sbin/nologin' },
  ],
  groups: [
    { name: 'root', gid: 0 },
    { name: 'shadow', gid: 42 },
    { name: 'kvm', gid: 991 },
  ],
  unused: ['games'],
};

describe('accountFiles', () => {
  const files = new Map(accountFiles(accounts).map((entry) => [entry.path, entry]));
  const text = (path: string) => {
    const entry = files.get(path);
    return entry?.type === 'file' && 'inline' in entry.content ? entry.content.inline : assert.fail(path);
  };

  test('writes passwd(5), group(5), and shadow files with every password locked', () => {
    assert.equal(
      text('etc/passwd'),
      'root:x:0:0:root:/root:/bin/sh\nsshd:x:994:65534:sshd:/run/sshd:/usr/sbin/nologin\n',
    );
    assert.equal(text('etc/group'), 'root:x:0:\nshadow:x:42:\nkvm:x:991:\n');
    assert.equal(text('etc/shadow'), 'root:!*:::::::\nsshd:!*:::::::\n');
    assert.equal(text('etc/gshadow'), 'root:!*::\nshadow:!*::\nkvm:!*::\n');
  });

  test('writes the same accounts in sysusers.d(5)', () => {
    const { content } = sysusersFile(accounts) as { content: { inline?: string } };
    assert.equal(
      content.inline,
      'g root 0\ng shadow 42\ng kvm 991\nu root 0:root "root" /root /bin/sh\nu sshd 994:65534 "sshd" /run/sshd /usr/sbin/nologin\n',
    );
  });

  test('only the group shadow can read the shadow files', () => {
    for (const path of ['etc/shadow', 'etc/gshadow']) {
      const { mode, uid, gid } = files.get(path) ?? assert.fail(path);
      assert.deepEqual([mode, uid, gid], [0o640, 0, 42]);
    }
    assert.equal(files.get('etc/passwd')?.mode, 0o644);
    const groups = accounts.groups.filter(({ name }) => name !== 'shadow');
    assert.throws(() => accountFiles({ ...accounts, groups }), /no group shadow/);
  });
});

describe('checkAccounts', () => {
  const check = (...lines: string[]) => {
    const text = lines.join('\n');
    const tree = treeOf(
      file('usr/lib/sysusers.d/some.conf', text),
      file('usr/lib/sysusers.d/README', 'u nobody-reads-this'),
      symlink('usr/lib/sysusers.d/link.conf', 'some.conf'),
      dir('usr/lib/sysusers.d/folder.conf'),
    );
    checkAccounts(tree, accounts, (path) => (path.endsWith('some.conf') ? text : 'u wrong -'));
  };

  test('accepts accounts that are pinned or listed as unused', () => {
    check(
      'u sshd - "sshd user" /run/sshd',
      'g kvm -',
      'g! games',
      '# u comment -',
      '',
      'm root kvm',
      'r - 1-9',
    );
  });

  test('names every account without a number, its file, and what to do', () => {
    const lines = ['u zabbix -', '  u!\tapache - "x"', 'g zabbix -', 'g kvm'];
    assert.throws(
      () => check(...lines),
      (error) => {
        assert.ok(error instanceof Failure);
        assert.equal(error.exitCode, 2);
        assert.equal(
          error.message,
          'accounts without a pinned number: apache (/usr/lib/sysusers.d/some.conf), zabbix (/usr/lib/sysusers.d/some.conf)',
        );
        assert.match(error.hint ?? '', /give each a number/);
        return true;
      },
    );
  });
});

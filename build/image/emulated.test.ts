import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { type Sha256, sha256 } from '../../sdk/lib/files.ts';
import type { ScriptVerdict } from '../debian/scripts.ts';
import type { Accounts } from './accounts.ts';
import { checkEmulated } from './emulated.ts';

const accounts: Accounts = {
  users: [{ name: 'messagebus', uid: 999, gid: 999, comment: '', home: '/', shell: '/bin/false' }],
  groups: [
    { name: 'shadow', gid: 42 },
    { name: 'render', gid: 992 },
  ],
  unused: ['games'],
};
const FILES: Readonly<Record<string, string>> = {
  'usr/lib/sysusers.d/udev.conf': 'g render - -\ng games -\n',
  'usr/lib/sysusers.d/game.conf': 'g games - -\n',
  'usr/lib/sysusers.d/web.conf': 'u! web - "Web"\n',
};

/** The error of one postinst, or '' */
function faultOf(text: string, more: Partial<ScriptVerdict> = {}): string {
  const digest: Sha256 = sha256(text);
  const verdict = {
    sha256: digest,
    package: 'p',
    script: 'postinst',
    verdict: 'emulated',
    by: 'users, tmpfiles',
  };
  try {
    checkEmulated(
      [{ name: 'p', version: '1', scripts: { postinst: text } }],
      [{ ...verdict, ...more } as ScriptVerdict],
      accounts,
      (path) => FILES[path] ?? '',
      'scripts.json',
    );
    return '';
  } catch (error) {
    assert.ok(error instanceof Failure);
    assert.equal(error.exitCode, 2);
    assert.equal(error.where, 'scripts.json');
    assert.match(error.hint ?? '', /users\.ts/);
    return error.message;
  }
}

describe('a verdict "emulated by users"', () => {
  const scripts: readonly (readonly [string, string, string])[] = [
    ['a group that is there', 'groupadd -g 42 shadow || (\n', ''],
    [
      'a name in a variable',
      'NAME="messagebus"\nadduser --system \\\n  --group "$NAME" >/dev/null 2>&1 || true\n',
      '',
    ],
    ['a user that nothing declares', 'adduser --system --home /var/lib/web web\n', 'p postinst: web'],
    [
      'a group that nothing declares',
      'getent group web || addgroup --system web >/dev/null\n',
      'p postinst: web',
    ],
    ['an account that the image goes without', 'useradd -r games\n', 'p postinst: games'],
    ['sysusers.d', 'systemd-sysusers --root="$DPKG_ROOT" udev.conf\n', ''],
    ['sysusers.d of which the image uses none', 'systemd-sysusers game.conf\n', ''],
    [
      'sysusers.d with an account that nothing declares',
      'systemd-sysusers udev.conf web.conf\n',
      'p postinst: web',
    ],
    [
      'no account at all',
      '# adduser web\ncommand -v adduser\necho hello\n',
      'p postinst: the script names no account',
    ],
  ];
  for (const [name, text, fault] of scripts) {
    test(name, () => {
      const said = faultOf(text);
      if (fault === '') assert.equal(said, '');
      else assert.match(said, new RegExp(`^ {2}${fault}`, 'm'));
    });
  }

  test('names them itself where the script does not', () => {
    assert.equal(faultOf('update-passwd\n', { accounts: ['shadow', 'messagebus'] }), '');
    assert.match(faultOf('update-passwd\n', { accounts: ['shadow', 'web'] }), /p postinst: web$/);
  });

  test('other verdicts are not asked for accounts', () => {
    assert.equal(faultOf('echo\n', { by: 'tmpfiles' }), '');
    assert.equal(faultOf('adduser web\n', { verdict: 'irrelevant', by: 'upgrade' }), '');
  });
});

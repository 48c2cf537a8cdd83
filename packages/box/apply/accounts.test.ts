import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FakeBox } from '../io/fake.ts';
import { apply, confirm } from './engine.ts';
import { type Config, provision } from './testing/world.ts';
import { healthy } from './testing.ts';

type Accounts = Config['passwd'];
const NONE: Accounts = { groups: [], users: [] };
const MEDIA: Accounts = {
  groups: [{ name: 'media', gid: 900 }],
  users: [{ name: 'media', uid: 900, primaryGroup: 'media' }],
};

const configOf = (passwd: Accounts): Config => ({
  ignition: { version: '3.3.0' },
  passwd,
  storage: { directories: [], files: [], links: [] },
  systemd: { units: [] },
});

/** Accounts of a machine with the one config that gets the other, after a person has changed it. */
function accountsAfter(before: Accounts, after: Accounts, byHand: (box: FakeBox) => void = () => {}) {
  const { box } = provision(configOf(before));
  byHand(box);
  const config = JSON.stringify(configOf(after));
  const { id, troubles } = apply(box, healthy, { config, confirmSeconds: 120, keepTheirs: [], takeMine: [] });
  assert.deepEqual(troubles, []);
  confirm(box, id);
  const names = (path: string) => box.readText(path).match(/^media(?=:)/gm) ?? [];
  return [...names('/etc/passwd'), ...names('/etc/group')];
}

test('a user and the group of the same name are removed: userdel(8) removes the group', () => {
  assert.deepEqual(accountsAfter(MEDIA, NONE), []);
});

test('accounts that a person has removed may be removed from the config, and are made again if they change', () => {
  const remove = (box: FakeBox) => void box.run(['userdel', 'media']);
  assert.deepEqual(accountsAfter(MEDIA, NONE, remove), []);
  const [user] = MEDIA.users;
  const changed = { ...MEDIA, users: [{ ...user!, gecos: 'Films' }] };
  const alone = (box: FakeBox) => {
    remove(box);
    box.run(['groupadd', '--gid', '900', 'media']);
  };
  assert.deepEqual(accountsAfter(MEDIA, changed, alone), ['media', 'media']);
});

test('accounts that a person has made may come into the config', () => {
  const make = (box: FakeBox) => {
    box.run(['groupadd', '--gid', '900', 'media']);
    box.run(['useradd', '--no-create-home', '--uid', '900', '--gid', 'media', 'media']);
  };
  assert.deepEqual(accountsAfter(NONE, MEDIA, make), ['media', 'media']);
});

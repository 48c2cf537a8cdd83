import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groups, unusedAccounts, users } from './users.ts';

test('the pinned accounts: numbers and names are unique, and every primary group exists', () => {
  const unique = (values: readonly unknown[]) => assert.deepEqual(values, [...new Set(values)]);
  unique(users.map(({ name }) => name));
  unique(users.map(({ uid }) => uid));
  unique(groups.map(({ name }) => name));
  unique(groups.map(({ gid }) => gid));
  unique(unusedAccounts);
  const numbers = new Set(groups.map(({ gid }) => gid));
  for (const { name, gid } of users) assert.ok(name === 'root' || numbers.has(gid), name);
});

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { describeFailure, Failure } from './errors.ts';

const system = (code: string, path?: string): Error =>
  Object.assign(new Error(`${code}: it failed, open`), { code, syscall: 'open', ...(path ? { path } : {}) });

test('an error of the host is described without a stack: what, where, and advice', () => {
  assert.equal(
    describeFailure(system('EACCES', '/srv/x')),
    'error: EACCES: it failed, open\n  at:   /srv/x\n  hint: give this user the right to do that, or name another path',
  );
  assert.equal(describeFailure(system('ENOSPC')), 'error: ENOSPC: it failed, open\n  hint: make room there');
});

test('any other error is a defect, and has its stack', () => {
  for (const make of [
    () => readdirSync('/nonexistent'),
    () => {
      throw Object.assign(new Error('its own code'), { code: 'EACCES' });
    },
  ])
    assert.throws(make, (error) => /\n {4}at /.test(describeFailure(error)));
  assert.equal(
    describeFailure(new Failure('a', { where: 'b', hint: 'c' })),
    'error: a\n  at:   b\n  hint: c',
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_POLICY, type Policy, parsePolicy } from '../../packages/box/settings/update.ts';
import { machine } from '../machine.ts';
import type { UpdateOptions } from './update.ts';

/** The policy that a box reads, out of the machine config that its owner wrote. */
function policyOf(update: UpdateOptions, zone?: string): Policy {
  const config = machine({ update: update as never, ...(zone === undefined ? {} : { time: { zone } }) });
  const { files } = config.storage as { files: { path: string; contents: { source: string } }[] };
  const source = files.find(({ path }) => path === '/etc/draisine/update.json')?.contents.source ?? '';
  const [, base64, data = ''] = /^data:[^,]*?(;base64)?,(.*)$/s.exec(source) ?? [];
  return parsePolicy(base64 ? Buffer.from(data, 'base64').toString() : decodeURIComponent(data));
}

test('the box reads the policy that the owner wrote', () => {
  const options: UpdateOptions = {
    base: 'https://updates.example/box',
    channel: 'beta',
    mode: 'stage',
    pin: '2026.1129.0',
    max: '2027.101.0',
    wariness: 0.5,
    windows: [{ days: ['sat'], from: '02:30', minutes: 90 }],
    settle: 60,
    deadline: 120,
    gates: [{ http: 'http://localhost/' }, { unit: 'web.service' }, { command: ['/usr/bin/true'] }],
    proxy: 'http://proxy:3128',
    ca: '/etc/ca.pem',
  };
  const policy = policyOf(options, 'Europe/Berlin');
  assert.deepEqual(policy, { ...options, zone: 'Europe/Berlin' });
  assert.equal(policyOf({ zone: 'UTC' }, 'Europe/Berlin').zone, 'UTC');
  assert.equal(policyOf({}).base, undefined);
});

test('only root reads a policy with a password in a URL', () => {
  const modeOf = (update: UpdateOptions) =>
    (machine({ update: update as never }).storage as { files: { mode: number }[] }).files[0]?.mode;
  assert.equal(modeOf({ base: 'https://box:secret@updates.example' }), 0o600);
  assert.equal(modeOf({ base: 'https://updates.example/@box' }), 0o644);
});

test('a policy that the box would refuse is refused when the config is compiled', () => {
  const faults: [UpdateOptions, RegExp][] = [
    [{ base: 'ftp://x' }, /update\.base must be an address/],
    [{ pin: '1.2' }, /update\.pin/],
    [{ wariness: 2 }, /wariness must be a number from 0 to 1/],
    [{ settle: 100, deadline: 50 }, /deadline must not be before settle/],
    [{ windows: [{ from: '2:30', minutes: 10 }] }, /windows\[0\]\.from must be a time such as 02:30/],
    [{ windows: [{ from: '02:30', minutes: 0 }] }, /windows\[0\]\.minutes must be/],
    [{ channel: 'Stable' }, /channel/],
    [{ gates: [{ http: 'localhost:8096' }] }, /update\.gates\[0\]\.http must be an address/],
    [{ gates: [{ command: [] }] }, /gates\[0\]\.command must not be empty/],
    [{ ca: 'ca.pem' }, /update\.ca must be an absolute path/],
    [{ bse: 'https://x' } as UpdateOptions, /unknown option "bse"/],
  ];
  for (const [options, message] of faults)
    assert.throws(() => machine({ update: options as never }), { message, exitCode: 2 });
});

test('a config is checked with the default times of the box', () => {
  const { settle, deadline } = DEFAULT_POLICY;
  assert.equal(policyOf({ deadline: settle }).deadline, settle);
  assert.equal(policyOf({ settle: deadline }).settle, deadline);
  assert.throws(() => policyOf({ deadline: settle - 1 }), {
    message: /deadline must not be before settle/,
    exitCode: 2,
  });
  assert.throws(() => policyOf({ settle: deadline + 1 }), {
    message: /deadline must not be before settle/,
    exitCode: 2,
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apply } from './engine.ts';
import { configOf, healthy, type Parts, provisioned, unitCalls } from './testing.ts';

const options = (parts: Parts) => ({
  ...{ config: configOf(parts), confirmSeconds: 120, keepTheirs: [], takeMine: [] },
});

/** The actions on units when a machine with the one config gets the other. */
function calls(before: Parts, after: Parts): string[] {
  const box = provisioned(before);
  assert.deepEqual(apply(box, healthy, options(after)).troubles, []);
  return unitCalls(box);
}
const unit = (text: string) => ({ contents: `[Service]\nExecStart=/bin/${text}\n` });
const QUADLETS = '/etc/containers/systemd';

test('a template does not run: its instances are restarted and stopped', () => {
  const before = { units: { 'a@.service': unit('a'), 'a@1.service': { enabled: true } } };
  const after = { units: { ...before.units, 'a@.service': unit('b') } };
  assert.deepEqual(calls(before, after), ['try-restart a@*.service']);
  assert.deepEqual(calls(before, {}), [
    ...['stop a@*.service', 'stop a@1.service', 'disable a@1.service'],
    'reset-failed a@*.service a@1.service',
  ]);
  const dropin = { files: { '/etc/systemd/system/user@.service.d/delegate.conf': 'x' } };
  assert.deepEqual(calls({}, dropin), ['try-restart user@*.service']);
});

test('a slice gets its settings without a restart', () => {
  assert.deepEqual(calls({}, { files: { '/etc/systemd/system/system.slice.d/memory.conf': 'x' } }), []);
});

test('quadlets: drop-ins and folders belong to their container; those of users are not the system’s', () => {
  const before = { files: { [`${QUADLETS}/app/web.container`]: 'a' } };
  const file = (path: string) => ({ files: { ...before.files, [`${QUADLETS}/${path}`]: 'b' } });
  assert.deepEqual(calls(before, file('app/web.container')), ['try-restart web.service']);
  assert.deepEqual(calls(before, file('app/web.container.d/10-a.conf')), ['try-restart web.service']);
  assert.deepEqual(calls(before, file('users/1000/own.container')), []);
});

test('a unit that has failed starts when its file changes, unless another unit starts it', () => {
  for (const [enabled, expected] of [
    [true, ['reset-failed a.service', 'start a.service']],
    [undefined, ['try-restart a.service']],
  ] as const) {
    const parts = (text: string): Parts => ({
      units: { 'a.service': { ...unit(text), ...(enabled && { enabled }) } },
    });
    const box = provisioned(parts('a'));
    box.program('systemctl', ([, verb]) => (verb === 'show' ? 'failed\n' : ''));
    apply(box, healthy, options(parts('b')));
    assert.deepEqual(unitCalls(box), expected);
  }
});

test('a network of containers that changes is made anew, because podman does not change it', () => {
  const network = (text: string) => ({ files: { [`${QUADLETS}/net.network`]: `[Network]\n${text}` } });
  const made = (before: Parts, after: Parts) => {
    const box = provisioned(before);
    apply(box, healthy, options(after));
    return [box.ran.filter(([program]) => program === 'sh').map((argv) => argv.slice(4)), unitCalls(box)];
  };
  const named = network('NetworkName=own\nSubnet=10.9.0.0/24\n');
  assert.deepEqual(made(named, network('NetworkName=own\n')), [[['net-network.service', 'own']], []]);
  assert.deepEqual(made(network(''), named), [[['net-network.service', 'systemd-net']], []]);
  assert.deepEqual(made({}, named), [[], ['start net-network.service']]);
  assert.deepEqual(made(named, {}), [[], ['stop net-network.service', 'reset-failed net-network.service']]);
});

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

const INSTALL = '[Install]\nWantedBy=multi-user.target\n';

test('a quadlet may name its service: a change restarts that service, another name moves it', () => {
  const web = (name: string, rest = '') => ({
    files: { [`${QUADLETS}/web.container`]: `[Container]\nServiceName=${name}\n${rest}${INSTALL}` },
  });
  assert.deepEqual(calls({}, web('site')), ['start site.service']);
  assert.deepEqual(calls(web('site'), web('site', 'User=1\n')), ['try-restart site.service']);
  const moved = ['stop site.service', 'start shop.service', 'reset-failed site.service'];
  assert.deepEqual(calls(web('site'), web('shop')), moved);
  assert.deepEqual(calls(web('site'), {}), ['stop site.service', 'reset-failed site.service']);
  const dropin = { [`${QUADLETS}/web.container.d/name.conf`]: '[Container]\nServiceName=shop\n' };
  assert.deepEqual(calls(web('site'), { files: { ...web('site').files, ...dropin } }), moved);
});

test('a quadlet that moves to another file stops and starts', () => {
  const at = (path: string) => ({ files: { [`${QUADLETS}/${path}`]: INSTALL } });
  assert.deepEqual(calls(at('app/web.container'), at('web.container')), [
    'stop web.service',
    'start web.service',
    'reset-failed web.service',
  ]);
});

test('a new quadlet starts if a boot would start it', () => {
  const started = (name: string, text: string) => calls({}, { files: { [`${QUADLETS}/${name}`]: text } });
  assert.deepEqual(started('backup.container', '[Container]\nImage=a\n'), []);
  assert.deepEqual(started('a.container', '[Container]\nPod=own.pod\n'), ['start a.service']);
  assert.deepEqual(started('own.pod', `[Pod]\n${INSTALL}`), ['start own-pod.service']);
  assert.deepEqual(started('data.volume', '[Volume]\n'), ['start data-volume.service']);
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

test('a unit that stops with a removed one, which it needed, runs again with its new file', () => {
  const web = (text: string) => ({ [`${QUADLETS}/web.container`]: `${text}\n${INSTALL}` });
  const box = provisioned({
    files: { ...web('Network=net.network'), [`${QUADLETS}/net.network`]: '[Network]\n' },
  });
  const running = () => ['web.service', 'net-network.service'];
  apply(box, { ...healthy, running }, options({ files: web('Network=host') }));
  assert.deepEqual(unitCalls(box), [
    'stop net-network.service',
    'restart web.service',
    'reset-failed net-network.service',
  ]);
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

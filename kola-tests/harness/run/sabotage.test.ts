import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Failure } from '../../../sdk/lib/errors.ts';
import type { Machine } from '../machine/machine.ts';
import { loadTests, type RegisteredTest } from './register.ts';
import { mustBeRed, type Sabotage, sabotaged, selectSabotages } from './sabotage.ts';
import { loadSabotages } from './sabotage-suite.ts';
import { testModules } from './suite-options.ts';

const common = { name: 'a.b', what: 'it is broken', tests: ['net.x'], because: /broken/ };
const guest: Sabotage = { ...common, guest: 'break it' };

/** A machine that remembers what it ran; a script that says `refuse` fails. */
function fakeMachine(ran: string[], isOn = true): Machine {
  const succeed = async (script: string): Promise<string> => {
    ran.push(script);
    if (script.includes('refuse')) throw new Failure('refused');
    return '';
  };
  return { succeed, isOn: () => isOn } as unknown as Machine;
}

function fakeTest(body: () => Promise<void>, definition: object = {}): RegisteredTest {
  return { definition: { name: 'net.x', what: 'It works.', ...definition }, file: 'x.ts', body };
}

/** Runs a sabotaged test in the way of the harness. Returns its outcome. */
async function outcomeOf(sabotage: Sabotage, body: () => Promise<void>) {
  const ran: string[] = [];
  const { test: broken, trouble } = sabotaged(fakeTest(body), sabotage);
  const [box, peer] = [fakeMachine(ran), fakeMachine(ran)];
  const later: Machine = {
    ...fakeMachine(ran, false),
    succeed: () => Promise.reject(new Error('later is off')),
  };
  const cluster = { box, peer, later };
  const reason = await broken
    .body({} as TestContext, cluster)
    .then(() => undefined)
    .catch((error: unknown) => String(error));
  const because = trouble();
  return {
    ran,
    passed: reason === undefined,
    ...(reason === undefined ? {} : { reason }),
    ...(because === undefined ? {} : { trouble: because }),
  };
}

test('a test must fail for the right reason; every other outcome is distinguished', async () => {
  const red = await outcomeOf(guest, () => Promise.reject(new Error('it looks broken')));
  assert.deepEqual(red.ran, ['break it', 'break it'], 'each machine, before the body');
  assert.equal(mustBeRed(guest, 'net.x', red), 'Error: it looks broken');

  const long = { passed: false, reason: 'first\n  a broken line \nlast' };
  assert.equal(mustBeRed(guest, 'net.x', long), 'a broken line');

  const green = await outcomeOf(guest, async () => {});
  assert.throws(() => mustBeRed(guest, 'net.x', green), /^Failure: net\.x passed although it is broken$/);

  const other = await outcomeOf(guest, () => Promise.reject(new Error('no network')));
  assert.throws(
    () => mustBeRed(guest, 'net.x', other),
    /failed, but not because it is broken[\s\S]*no network/,
  );

  const refused = await outcomeOf({ ...common, guest: 'refuse, broken' }, async () => {});
  assert.throws(() => mustBeRed(guest, 'net.x', refused), /a\.b could not be done: refused/);
});

test('a sabotage during the body is stopped after the body; its own failure is not a success', async () => {
  let stopped = false;
  const patient: Sabotage = {
    ...common,
    during: (_machines, signal) =>
      new Promise((resolve) =>
        signal.addEventListener('abort', () => {
          stopped = true;
          resolve();
        }),
      ),
  };
  assert.equal((await outcomeOf(patient, async () => {})).passed, true);
  assert.ok(stopped);

  const clumsy: Sabotage = { ...common, during: () => Promise.reject(new Failure('no such disk, broken')) };
  const passed = await outcomeOf(clumsy, async () => {});
  assert.throws(() => mustBeRed(clumsy, 'net.x', passed), /could not be done: no such disk/);
  // If the machine ended with the test, an error of the sabotage does not count.
  const red = await outcomeOf(clumsy, () => Promise.reject(new Error('broken')));
  assert.equal(mustBeRed(clumsy, 'net.x', red), 'Error: broken');
});

test('a config is added to the present one, on every machine', () => {
  const file = { path: '/etc/sabotage' };
  const config = { ignition: { version: '3.3.0' }, storage: { files: [{ path: '/etc/own' }], disks: [] } };
  const { definition } = sabotaged(
    fakeTest(async () => {}, {
      config,
      machines: { one: {}, two: { config: { ignition: { version: '3.0.0' } } } },
    }),
    { ...common, config: { files: [file] } },
  ).test;
  assert.deepEqual(definition.machines?.one?.config?.storage, {
    files: [{ path: '/etc/own' }, file],
    disks: [],
  });
  assert.deepEqual(definition.machines?.two?.config, {
    ignition: { version: '3.0.0' },
    storage: { files: [file] },
    systemd: { units: [] },
  });
  const alone = sabotaged(
    fakeTest(async () => {}),
    { ...common, config: { units: [{ name: 'x.service' }] } },
  );
  assert.deepEqual(alone.test.definition.machines?.box?.config?.systemd, { units: [{ name: 'x.service' }] });
});

test('the list has at least 25 sabotages, with unique names and existing tests', async () => {
  const { tests } = await loadTests(await testModules());
  const all = await loadSabotages();
  assert.ok(all.length >= 25);
  assert.equal(selectSabotages(all, tests, []).length, all.length);
  for (const { name, what } of all) {
    assert.match(name, /^[a-z0-9]+\.[a-z0-9-]+$/);
    assert.match(what, /^\S.*[^.]$/);
  }
  assert.ok(selectSabotages(all, tests, ['zfs.*']).every(({ name }) => name.startsWith('zfs.')));
  assert.throws(() => selectSabotages(all, tests, ['nothing.*']), { exitCode: 2 });
  assert.throws(() => selectSabotages([guest, guest], [fakeTest(async () => {})], []), { exitCode: 2 });
  assert.throws(() => selectSabotages([guest], [], []), /there is no test net\.x/);
  assert.throws(() => selectSabotages([{ ...guest, tests: [] }], [], []), { exitCode: 2 });
});

test('the reasons of sabotages do not match commands that errors quote, so a failure of another kind is refused', async () => {
  const all = await loadSabotages();
  const noticed = (name: string, reason: string): boolean => {
    const sabotage = all.find((each) => each.name === name);
    assert.ok(sabotage, name);
    return sabotage.because.test(reason);
  };
  const podman = 'podman run --rm --network=shop --entrypoint=/bin/busybox localhost/oci-busybox:latest';
  const refused = [
    ['ignition.twice', 'boot.second: not done after 1200 s'],
    ['ignition.twice', 'box: exit 1 of: journalctl --boot=-1 --output=cat --identifier=before'],
    [
      'podman.log-elsewhere',
      `box: exit 125 of: ${podman} sh -c 'echo to-stdout'\n  | Error: no space left on device`,
    ],
    [
      'nftables.forward-dropped',
      `box: exit 125 of: ${podman} wget -q -O - http://10.0.2.2:1/\n  | Error: netavark`,
    ],
    ['podman.no-name-server', `box: exit 125 of: ${podman} x\n  | Error: short-name resolution`],
    ['journal.volatile', 'AssertionError [ERR_ASSERTION]: anything at all'],
    ['verity.data-block', 'the guest did not come up in 300 s\n  | BdsDxe: loading'],
  ] as const;
  const wanted = [
    ['ignition.twice', 'AssertionError [ERR_ASSERTION]: Ignition ran a second time'],
    [
      'podman.log-elsewhere',
      'AssertionError: The input did not match the regular expression /^to-stdout$/m. Input:',
    ],
    [
      'nftables.forward-dropped',
      `still running after 15 s, killed: ${podman} wget -q -O - http://10.0.2.2:1/`,
    ],
    ['podman.no-name-server', `box: exit 1 of: ${podman} wget\n  | wget: bad address 'web'`],
    [
      'journal.volatile',
      'box: exit 1 of: journalctl --directory=/var/log/journal/0123 --identifier=kept --output=cat\n  | Failed to open /var/log/journal/0123: No such file or directory',
    ],
    [
      'verity.data-block',
      'the machine could not start: *** Boot stops here.\n  | *** failed: sysusr-usr.mount',
    ],
  ] as const;
  assert.deepEqual(
    refused.filter(([name, reason]) => noticed(name, reason)),
    [],
  );
  assert.deepEqual(
    wanted.filter(([name, reason]) => !noticed(name, reason)),
    [],
  );
});

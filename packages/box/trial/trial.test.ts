import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NEXT } from '../disk/testing.ts';
import { POLICY } from '../settings/update.ts';
import { readState } from '../update/state.ts';
import { BASELINE, CHANNEL, readBaseline, writeBaseline } from './baseline.ts';
import { fakeWorld, runningClock, trial, ukis } from './testing.ts';
import { atBoot } from './trial.ts';

test('nothing is on trial: nothing happens', () => {
  const { box, world } = fakeWorld();
  atBoot(box, () => {});
  assert.deepEqual([world.reboots, box.logged], [0, []]);
});

test('a machine without a disk of its own has nothing on trial', () => {
  const { box } = fakeWorld();
  box.nodes.delete('/run/draisine/boot-disk/9');
  box.nodes.delete('/run/draisine/boot-disk');
  atBoot(box, () => assert.fail('nothing to tell'));
  assert.match(
    box.journal('notice').join(),
    /nothing is on trial: this system was not booted from an installed disk/,
  );
});

test('a release that cannot find its own slot, in a boot that the boot loader has counted: an error, which costs a try', () => {
  const { box } = trial();
  box.put({
    '/sys/firmware/efi/efivars/LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f': '',
  });
  box.program('dmsetup', () => ({ code: 127, stderr: 'dmsetup: not found' }));
  assert.throws(() => atBoot(box, () => {}), /cannot find the devices of the running \/usr: .*not found/);
});

test('late, but before the deadline: committed', () => {
  const { box, world } = trial();
  world.units.set('web.service', 'activating');
  runningClock(box, (uptime) => {
    if (uptime > 90) world.units.set('web.service', 'active');
  });
  atBoot(box, () => {});
  assert.equal(readState(box).lastTrial?.text, 'committed');
});

test('programs that hang: the trial ends at the deadline, and does not ask all of them once more', () => {
  const { box, world } = trial();
  const hang = () => {
    box.sleep(65_000);
    return { code: 124, stderr: 'hangs' };
  };
  for (const name of ['podman', 'zpool', 'ip', 'ping']) box.program(name, hang);
  box.put({ '/proc/spl/kstat/zfs/x': '' });
  const baseline = readBaseline(box)!;
  writeBaseline(box, { ...baseline, pools: [{ name: 'tank', state: 'ONLINE', vdevs: [] }] });
  atBoot(box, () => {});
  assert.equal(world.reboots, 1);
  assert.match(readState(box).rejected[0]?.reason ?? '', /cannot list containers: podman ended with 124/);
  // One that began within 30 s of the deadline, and one about the pools that the old release can read.
  assert.ok(box.monotonic() <= (100 + 30 + 2 * 65) * 1000, `${box.monotonic()} ms`);
});

test('a program that answers nonsense is a fault, and the trial ends', () => {
  const { box, world } = trial();
  box.program('podman', () => 'panic: runtime error');
  atBoot(box, () => {});
  assert.equal(world.reboots, 1);
  assert.deepEqual(ukis(box), ['draisine_2026.1101.0.efi', `draisine_${NEXT}+0-1.efi`]);
  assert.match(readState(box).rejected[0]?.reason ?? '', /a check of the trial itself failed: .*JSON/);
});

test('a trial is judged even if the state partition is full, the policy is damaged, or the record is lost', () => {
  const { box, world } = trial();
  world.units.set('boot-complete.target', 'inactive');
  box.put({ [POLICY]: '{', '/var/lib/draisine/update/state.json': 'x' });
  box.remove(BASELINE);
  box.fails = (call, what) => (call === 'write' && what.startsWith('/var/') ? 'ENOSPC' : undefined);
  atBoot(box, () => {});
  assert.equal(world.reboots, 1);
  assert.deepEqual(ukis(box), ['draisine_2026.1101.0.efi', `draisine_${NEXT}+0-1.efi`]);
  assert.match(box.journal('error').join('\n'), /the evidence could not be saved/);
});

test('/run is full: the trial cannot be shown, but it ends', () => {
  const { box } = trial();
  box.fails = (call, what) =>
    call === 'write' && what === '/run/draisine/on-trial.json' ? 'ENOSPC' : undefined;
  atBoot(box, () => {});
  assert.equal(readState(box).lastTrial?.text, 'committed');
  assert.match(box.journal('warning').join(), /the trial cannot be shown: cannot write: ENOSPC/);
});

test('the new release cannot report its own state: its trial ends nevertheless', () => {
  const { box } = trial();
  let told = 0;
  atBoot(box, () => {
    if (readState(box).lastTrial) return;
    told++;
    throw new TypeError('undefined is not a function');
  });
  assert.ok(told > 0);
  assert.equal(readState(box).lastTrial?.text, 'committed');
  assert.match(box.journal('warning').join(), /the trial cannot be shown: undefined is not a function/);
});

test('another draisine hangs for ever: the trial ends nevertheless', () => {
  const { box, world } = trial();
  box.put({ '/run/draisine/update.lock/owner': '77', '/proc/77/stat': '' });
  world.units.set('web.service', 'failed');
  atBoot(box, () => {});
  assert.equal(world.reboots, 1);
  assert.match(
    box.journal('warning').join(),
    /the trial goes on without the lock: another update is running/,
  );
});

test('its owner ends it', () => {
  const { box, world } = trial();
  world.units.set('web.service', 'inactive');
  runningClock(box, () => box.remove('/run/draisine/on-trial.json'));
  atBoot(box, () => {});
  assert.equal(world.reboots, 0);
  assert.deepEqual(ukis(box), ['draisine_2026.1101.0.efi', `draisine_${NEXT}+2-1.efi`]);
});

/** A trial in which the gateway and the server of the channel have answered before. `answers`: whether it does now. */
function withServer(answers: () => boolean) {
  const made = trial({ base: 'http://updates.example' });
  writeBaseline(made.box, { ...readBaseline(made.box)!, reached: ['10.0.2.2', CHANNEL] });
  made.box.program('sh', () => ({
    code: answers() ? 22 : 28,
    stderr: `DRAISINE ${answers() ? 404 : 0} 0 \n`,
  }));
  return made;
}

test('only the server of updates is down at the deadline: the trial waits for it, up to an hour', () => {
  let up = false;
  const back = withServer(() => up);
  runningClock(back.box, (uptime) => {
    up = uptime > 3000;
  });
  atBoot(back.box, () => {});
  assert.equal(readState(back.box).lastTrial?.text, 'committed');
  assert.match(back.box.journal('notice').join(), /only the server of the channel does not answer/);

  const away = withServer(() => false);
  atBoot(away.box, () => {});
  assert.equal(away.world.reboots, 1);
  const [rejected] = readState(away.box).rejected;
  assert.match(rejected?.reason ?? '', /^the channel cannot be reached; the cause may be outside/);
  assert.ok(away.box.monotonic() >= 3600 * 1000, `${away.box.monotonic()} ms`);
});

test('nothing answers any more, or a service is missing as well: rejected at the deadline', () => {
  const cases: readonly ((world: ReturnType<typeof withServer>['world']) => void)[] = [
    (world) => world.answering.clear(),
    (world) => world.units.set('web.service', 'failed'),
  ];
  for (const fail of cases) {
    const { box, world } = withServer(() => false);
    fail(world);
    atBoot(box, () => {});
    assert.equal(world.reboots, 1);
    assert.ok(box.monotonic() < 300 * 1000, `${box.monotonic()} ms`);
  }
});

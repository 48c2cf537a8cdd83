import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fill, NEXT } from '../disk/testing.ts';
import { noteReadable } from '../update/readable.ts';
import { runningRelease } from '../update/running.ts';
import { changeState, readState } from '../update/state.ts';
import { onTrial } from './on-trial.ts';
import { bootInto, disk, OLD, runningClock, tank, trial, ukis } from './testing.ts';
import { atBoot } from './trial.ts';
import { commit } from './verdict.ts';

test('all is well: committed after the settle time, the floor rises, /etc is not kept', () => {
  const { box, world } = trial();
  let said = 0;
  atBoot(box, () => said++);
  assert.deepEqual(ukis(box), ['draisine_2026.1101.0.efi', `draisine_${NEXT}.efi`]);
  const { staged, floor, lastTrial } = readState(box);
  assert.deepEqual([staged, floor, lastTrial?.text], [undefined, NEXT, 'committed']);
  assert.ok(box.monotonic() >= 40_000 && said >= 2);
  assert.equal(onTrial(box), undefined);
  assert.equal(world.reboots, 0);
  assert.ok(box.ran.some((argv) => argv.join(' ') === 'rm -rf /.etc-trial.new'));
  assert.deepEqual(box.journal('notice').at(-1), `${NEXT} is committed`);
});

test('a commit ends the reports about older releases, but not about a later one', () => {
  const { box } = trial();
  const rejected = ['2026.1115.0', '2026.1130.0'].map((version) => ({
    ...{ version, reason: 'x', since: box.now(), evidence: undefined },
  }));
  changeState(box, () => ({ rejected }));
  atBoot(box, () => {});
  assert.deepEqual(
    readState(box).rejected.map(({ version }) => version),
    ['2026.1130.0'],
  );
});

test('a gate that is not met at the deadline: the release is rejected with evidence, and not tried again', () => {
  const { box, world } = trial({ gates: [{ http: 'http://localhost/', status: 200 }] });
  world.httpCode = '500';
  atBoot(box, () => {});
  assert.equal(world.reboots, 1);
  assert.deepEqual(ukis(box), ['draisine_2026.1101.0.efi', `draisine_${NEXT}+0-1.efi`]);
  const [rejected] = readState(box).rejected;
  assert.equal(rejected?.reason, 'http://localhost/ answers 500, not 200');
  assert.equal(box.readText(`${rejected?.evidence}/journal.txt`), 'the journal\n');

  // The old one meets it: it was the update.
  bootInto(box, 'old');
  world.httpCode = '200';
  atBoot(box, () => {});
  assert.equal(readState(box).rejected[0]?.reason, 'http://localhost/ answers 500, not 200');
  assert.equal(world.reboots, 1, 'no loop');

  // Somebody looks into the rejected one: that does not commit it.
  bootInto(box, 'next');
  atBoot(box, () => {});
  assert.deepEqual(ukis(box), ['draisine_2026.1101.0.efi', `draisine_${NEXT}+0-2.efi`]);
  assert.match(
    box.journal('warning').at(-1) ?? '',
    /started from the boot menu: the next restart leads to 2026\.1101/,
  );
});

test('a rejection at the deadline has all reasons', () => {
  const gates = ['a', 'b'].map((name) => ({ http: `http://localhost/${name}`, status: 200 }));
  const { box, world } = trial({ gates });
  world.httpCode = '500';
  atBoot(box, () => {});
  assert.match(readState(box).rejected[0]?.reason ?? '', /localhost\/a.*localhost\/b/);
});

test('a release that cannot stop its services is left by force', () => {
  const { box, world } = trial({ gates: [{ http: 'http://localhost/', status: 200 }] });
  world.httpCode = '500';
  const systemctl = box.programs.get('systemctl')!;
  box.program('systemctl', (argv, options, self) =>
    argv.join(' ') === 'systemctl reboot' ? { code: 124 } : systemctl(argv, options, self),
  );
  atBoot(box, () => {});
  assert.equal(world.reboots, 1);
  assert.equal(box.ran.at(-1)?.join(' '), 'systemctl reboot --force');
});

test('the return to a release that cannot read a pool is reported, with the command for the newer release', () => {
  const { box, world } = trial({ gates: [{ http: 'http://localhost/', status: 200 }] });
  world.httpCode = '500';
  world.pools = tank('ONLINE', disk('ONLINE'));
  box.put({ '/proc/spl/kstat/zfs/x': '' });
  const zpool = box.programs.get('zpool')!;
  box.program('zpool', (argv, options, self) =>
    argv[1] === 'get' ? 'feature@draid\tactive\n' : zpool(argv, options, self),
  );
  noteReadable(box, OLD, ['lz4_compress']);
  atBoot(box, () => {});
  assert.equal(world.reboots, 1);
  assert.match(
    readState(box).rejected[0]?.reason ?? '',
    /not 200 \(2026\.1101\.0 cannot read these pools: tank: draid\. draisine stage 2026\.1129\.0 stages/,
  );
});

test('the ESP cannot be written at the commit: tried again, and rejected at the deadline', () => {
  const { box, world } = trial();
  const renames = (call: string, what: string) => call === 'write' && what.endsWith(`draisine_${NEXT}.efi`);
  let failures = 2;
  box.fails = (call, what) => (renames(call, what) && failures-- > 0 ? 'EIO' : undefined);
  atBoot(box, () => {});
  assert.deepEqual([readState(box).lastTrial?.text, world.reboots], ['committed', 0]);

  const bad = trial();
  bad.box.fails = (call, what) => (renames(call, what) ? 'EIO' : undefined);
  atBoot(bad.box, () => {});
  assert.equal(bad.world.reboots, 1);
  assert.match(readState(bad.box).rejected[0]?.reason ?? '', /the release cannot be committed: .*EIO/);
});

test('no room for the new boot loader is no reason against a commit', () => {
  const { box, world } = trial();
  box.fails = (call, what) => (call === 'write' && what.includes('BOOTX64.EFI') ? 'ENOSPC' : undefined);
  atBoot(box, () => {});
  assert.deepEqual([readState(box).lastTrial?.text, world.reboots], ['committed', 0]);
  assert.match(box.journal('warning').join(), /the boot loader was not updated: .*ENOSPC/);
});

test('its owner commits it at the moment of the verdict: the commit stays', () => {
  const { box, world } = trial();
  world.units.set('web.service', 'failed');
  let waits = 0;
  // `draisine commit` has the lock when the deadline comes, and ends while the trial waits.
  runningClock(box, (uptime) => {
    if (uptime >= 110 && waits === 0)
      box.put({ '/run/draisine/update.lock/owner': '77', '/proc/77/stat': '' });
    if (uptime < 120 || ++waits < 3) return;
    if (box.stat('/proc/77/stat') === undefined) return;
    box.remove('/proc/77/stat');
    box.remove('/proc/77');
    commit(box, runningRelease(box), () => {});
  });
  atBoot(box, () => {});
  assert.equal(world.reboots, 0);
  assert.ok(ukis(box).includes(`draisine_${NEXT}.efi`));
  assert.deepEqual(readState(box).rejected, []);
});

test('a release with faults stays if the slot of the previous one is damaged: that one would never boot', () => {
  const { box, world } = trial();
  world.mounts.delete('/data');
  fill(box, '/dev/vda2', '00'.repeat(32));
  let said = '';
  atBoot(box, () => {
    said = readState(box).lastTrial?.text ?? '';
  });
  assert.deepEqual(ukis(box), [`draisine_${OLD}.efi`, `draisine_${NEXT}.efi`]);
  assert.equal(world.reboots, 0);
  assert.equal(
    said,
    `kept in spite of its faults, because slot a no longer holds the complete release ${OLD}: /data is not mounted`,
  );
  assert.deepEqual([readState(box).staged, onTrial(box)], [undefined, undefined]);
});

test('a release whose veritysetup finds every slot damaged goes back', () => {
  const { box, world } = trial();
  world.mounts.delete('/data');
  box.program('veritysetup', () => ({ code: 127 }));
  atBoot(box, () => {});
  assert.equal(world.reboots, 1);
  assert.equal(readState(box).rejected[0]?.version, NEXT);
});

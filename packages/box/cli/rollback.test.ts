import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ESP, fill, HASHES, NEXT } from '../disk/testing.ts';
import { bootInto, OLD, runningClock, ukis } from '../trial/testing.ts';
import { atBoot } from '../trial/trial.ts';
import { changeState, readState } from '../update/state.ts';
import { setting } from './testing.ts';

test('rolled back by hand: the other release is tried again, this one is left alone', () => {
  const { box, world, draisine } = setting();
  draisine('update');
  bootInto(box, 'next');
  runningClock(box);
  atBoot(box, () => {});
  assert.equal(draisine('rollback').code, 0);
  assert.equal(world.reboots, 2);
  assert.deepEqual(ukis(box), [`draisine_${OLD}+3.efi`, `draisine_${NEXT}+0-1.efi`]);
  const { staged, rejected } = readState(box);
  assert.deepEqual([staged?.version, staged?.rootHash], [OLD, HASHES.running]);
  assert.equal(rejected[0]?.reason, 'its owner rolled it back');

  bootInto(box, 'old');
  runningClock(box);
  atBoot(box, () => {});
  assert.deepEqual(ukis(box), [`draisine_${OLD}.efi`, `draisine_${NEXT}+0-1.efi`]);
  box.advance(5 * 3_600_000);
  draisine('update');
  assert.equal(world.reboots, 2, 'what was rolled back does not come again by itself');
  assert.match(
    draisine('why').out,
    /2026\.1129\.0 was rejected .*its owner rolled it back\. It ends when: the channel names another release, or you run draisine stage 2026\.1129\.0/,
  );
  assert.equal(draisine('stage', NEXT).code, 0);
});

test('forward again, to a release that fails: the box returns to the older one, which has kept its place', () => {
  const { box, world, draisine } = setting({ gates: [{ http: 'http://localhost/', status: 200 }] });
  draisine('update');
  bootInto(box, 'next');
  runningClock(box);
  world.httpCode = '500';
  atBoot(box, () => {});
  bootInto(box, 'old');
  runningClock(box);
  world.httpCode = '200';
  atBoot(box, () => {});
  assert.equal(draisine('rollback').code, 0);
  assert.deepEqual(ukis(box), [`draisine_${OLD}.efi`, `draisine_${NEXT}+3.efi`]);
  bootInto(box, 'next');
  runningClock(box);
  world.httpCode = '500';
  atBoot(box, () => {});
  // systemd-boot takes the newest one that has tries, or is committed.
  assert.deepEqual(ukis(box), [`draisine_${OLD}.efi`, `draisine_${NEXT}+0-1.efi`]);
});

test('a commit that could not be recorded is recorded by the timer, without a restart', () => {
  const { box, world, draisine } = setting();
  draisine('update');
  bootInto(box, 'next');
  runningClock(box);
  box.fails = (call, what) =>
    call === 'write' && what.startsWith('/var/') && ukis(box).includes(`draisine_${NEXT}.efi`)
      ? 'ENOSPC'
      : undefined;
  assert.match(draisine('boot').err, /the commit cannot be recorded: .*ENOSPC/);
  box.fails = () => undefined;
  const { reboots } = world;
  draisine('update');
  assert.equal(world.reboots, reboots);
  assert.deepEqual([readState(box).staged, readState(box).lastTrial?.text], [undefined, 'committed']);
});

test('a commit that was not recorded, and a later release: the running one stays in the boot menu', () => {
  const { box, draisine } = setting({ mode: 'stage' });
  changeState(box, () => ({
    staged: { version: OLD, rootHash: HASHES.running, from: OLD, since: box.now(), rebooting: true },
  }));
  assert.equal(draisine('stage').code, 0);
  assert.deepEqual(ukis(box), [`draisine_${OLD}.efi`, `draisine_${NEXT}+3.efi`]);
});

test('power fails in a rollback: the release that was rolled back does not come back by itself', () => {
  const { box, world, draisine } = setting();
  draisine('update');
  bootInto(box, 'next');
  runningClock(box);
  atBoot(box, () => {});
  box.fails = (call) =>
    call === 'write' && ukis(box).includes(`draisine_${NEXT}+0-1.efi`) ? 'EIO' : undefined;
  assert.equal(draisine('rollback').code, 1);
  box.fails = () => undefined;
  const { reboots } = world;
  bootInto(box, 'old');
  runningClock(box);
  atBoot(box, () => {});
  box.advance(5 * 3_600_000);
  draisine('update');
  assert.deepEqual(ukis(box), [`draisine_${OLD}.efi`, `draisine_${NEXT}+0-1.efi`]);
  assert.equal(world.reboots, reboots);
});

test('no rollback in a trial to a release that is damaged', () => {
  const { box, world, draisine } = setting();
  draisine('update');
  bootInto(box, 'next');
  box.put({ '/run/draisine/on-trial.json': JSON.stringify({ version: NEXT, faults: [] }) });
  fill(box, '/dev/vda2', '00'.repeat(32));
  assert.match(draisine('rollback').err, /slot a no longer holds the complete release 2026\.1101\.0/);
  assert.equal(world.reboots, 1);
  fill(box, '/dev/vda2', HASHES.running);
  assert.equal(draisine('rollback').code, 0);
  assert.equal(world.reboots, 2);
});

test('no rollback into a release that is only staged', () => {
  const { box, world, draisine } = setting({ mode: 'stage' });
  draisine('update');
  const before = ukis(box);
  const refused = draisine('rollback');
  assert.equal(refused.code, 1);
  assert.match(refused.err, /2026\.1129\.0 is staged in the other slot.*draisine reboot/);
  assert.deepEqual([ukis(box), world.reboots, readState(box).rejected], [before, 0, []]);
});

test('a default entry that was chosen after staging does not keep the box in the old release', () => {
  const { box, draisine } = setting({ mode: 'stage' });
  draisine('update');
  const chosen = '/sys/firmware/efi/efivars/LoaderEntryDefault-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f';
  box.put({ [chosen]: 'x' });
  const conf = `${ESP}/loader/loader.conf`;
  box.put({ [conf]: `timeout 1\ndefault draisine_${OLD}.efi\n` });
  box.program('bootctl', () => '');
  assert.equal(draisine('reboot').code, 0);
  assert.ok(box.ran.some((argv) => argv.join(' ') === 'bootctl set-default '));
  assert.equal(box.readText(conf), 'timeout 1\n');
});

test('the boot loader passes by the staged release: the box restarts three times, not for ever', () => {
  const { box, world, draisine } = setting();
  for (let boot = 0; boot < 6; boot++) {
    draisine('update');
    box.advance(25 * 60_000);
    bootInto(box, 'old');
    atBoot(box, () => {});
  }
  assert.equal(world.reboots, 3);
  assert.match(draisine('health').out, /2026\.1129\.0 is staged, but the boot loader has started another/);
  assert.match(
    draisine('why').out,
    /the boot loader has started another release .*ends when: draisine reboot/,
  );
  draisine('reboot');
  assert.equal(world.reboots, 4);
});

test('pools are read first also when the record of the trial is lost', () => {
  const { box, world, draisine } = setting();
  box.put({ '/proc/spl/kstat/zfs/x': '' });
  const vdevs = { tank: { name: 'tank', guid: '9', state: 'ONLINE' } };
  world.pools = { tank: { name: 'tank', state: 'ONLINE', vdevs } };
  const zpool = box.programs.get('zpool')!;
  box.program('zpool', (argv, options, self) => (argv[1] === 'get' ? '' : zpool(argv, options, self)));
  draisine('update');
  const reads = () => {
    const before = box.ran.length;
    draisine('read-pools');
    return box.ran.slice(before).some((argv) => argv.includes('readonly=on'));
  };
  assert.ok(!reads(), 'the old release, before the restart');
  bootInto(box, 'next');
  assert.ok(reads());
  box.remove('/var/lib/draisine/update/state.json');
  assert.ok(!reads(), 'no trial: the boot is not counted');
  box.put({ '/sys/firmware/efi/efivars/LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f': 'x' });
  assert.ok(reads());
});

describe('pools with features that the other release cannot read', () => {
  const LIST = '/usr/share/zfs/compatibility.d/openzfs-2.4-linux';
  /** NEXT runs and is committed; OLD, in the other slot, can read lz4_compress only. */
  const risen = (features: object, compatibility = 'off') => {
    const known = setting({}, { release: { zfs: { version: '2.4.1', features: ['lz4_compress', 'new'] } } });
    const { box, world, draisine } = known;
    box.put({ '/proc/spl/kstat/zfs/x': '', [LIST]: 'lz4_compress\n' });
    world.pools = { tank: { name: 'tank', state: 'ONLINE', vdevs: {} } };
    box.program('zpool', ([, verb]) =>
      verb === 'get'
        ? `compatibility\t${compatibility}\n${Object.entries(features)
            .map(([name, state]) => `feature@${name}\t${state}\n`)
            .join('')}`
        : JSON.stringify({ pools: world.pools }),
    );
    atBoot(box, () => {});
    draisine('update');
    bootInto(box, 'next');
    runningClock(box);
    box.put({ [LIST]: 'lz4_compress\nnew\n' });
    return known;
  };

  test('a rollback that loses a pool is refused with pool and feature, and done with --without-pools', () => {
    const features: Record<string, string> = { lz4_compress: 'active' };
    const { box, world, draisine, status } = risen(features);
    atBoot(box, () => {});
    assert.deepEqual(status().pools, [
      `do not run zpool upgrade tank while ${OLD} is in the other slot: it cannot read new (zpool set compatibility=… tank prevents them)`,
    ]);
    features.new = 'active';
    assert.match(draisine('status').out, /pools +2026\.1101\.0 cannot read pool tank: new: a rollback/);
    const before = [...ukis(box)];
    const refused = draisine('rollback');
    assert.equal(refused.code, 1);
    assert.match(refused.err, /2026\.1101\.0 cannot read these pools: tank: new.*--without-pools/);
    assert.deepEqual([ukis(box), world.reboots], [before, 1]);
    assert.match(draisine('health').out, /cannot read pool tank: new/);
    assert.equal(draisine('rollback', '--without-pools').code, 0);
    assert.equal(world.reboots, 2);
  });

  test('nor during a trial', () => {
    const { box, draisine } = risen({ new: 'active' });
    box.put({ '/run/draisine/on-trial.json': JSON.stringify({ version: NEXT, faults: [] }) });
    assert.match(draisine('rollback').err, /cannot read these pools: tank: new/);
  });

  test('a pool with a compatibility list may not rise beyond it', () => {
    const { box, status } = risen({ lz4_compress: 'active', new: 'enabled' }, 'mine');
    box.put({ '/etc/zfs/compatibility.d/mine': 'lz4_compress\n' });
    assert.deepEqual(status().pools, ['pool tank was upgraded beyond its compatibility=mine: new']);
  });

  test('a damaged record prevents nothing', () => {
    const { box, draisine } = risen({ new: 'active' });
    atBoot(box, () => {});
    box.put({ '/var/lib/draisine/update/readable.json': '{"releases": [{}]}' });
    assert.equal(draisine('rollback').code, 0);
    assert.match(box.journal('warning').join(), /not known which pools older releases can read/);
    assert.match(
      box.journal('warning').join(),
      /not known whether 2026\.1101\.0 can read the pools tank, .*draisine rollback leads from there to 2026\.1129\.0/,
    );
  });

  test('nothing is said about releases of which no pool is imported', () => {
    const { box, world, draisine } = risen({});
    atBoot(box, () => {});
    box.remove('/var/lib/draisine/update/readable.json');
    world.pools = {};
    assert.equal(draisine('rollback').code, 0);
    assert.doesNotMatch(box.journal('warning').join(), /not known/);
  });
});

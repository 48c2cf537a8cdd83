import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NEXT } from '../disk/testing.ts';
import type { FakeBox } from '../io/fake.ts';
import { type Gate, POLICY } from '../settings/update.ts';
import { noteReadable } from '../update/readable.ts';
import { runningRelease } from '../update/running.ts';
import { changeState, readState } from '../update/state.ts';
import { parsePools, poolLosses, readFirst } from '../zfs/pools.ts';
import { BASELINE, isOutside, lookAtBox, lossesOf, readBaseline, writeBaseline } from './baseline.ts';
import { gateFault } from './gates.ts';
import { commonFaults, judge } from './judge.ts';
import { onTrial } from './on-trial.ts';
import { bootInto, fakeWorld, OLD, runningClock, stageNext, ukis, type World } from './testing.ts';
import { atBoot } from './trial.ts';
import { commit } from './verdict.ts';

const disk = (state: string, errors = 0, guid = '1') => ({
  ...{ name: `/dev/disk/by-id/d${guid}`, guid, state },
  ...{ read_errors: '0', write_errors: '0', checksum_errors: String(errors) },
});
const tank = (state: string, ...disks: object[]) => ({
  tank: {
    state,
    vdevs: {
      tank: {
        name: 'tank',
        guid: '9',
        state,
        vdevs: Object.fromEntries(disks.map((each, at) => [at, each])),
      },
    },
  },
});

describe('losses of a trial', () => {
  /** What is lost after a change of the world. */
  const lost = (change: (world: World, box: FakeBox) => void, before: (world: World) => void = () => {}) => {
    const { box, world } = fakeWorld();
    before(world);
    const baseline = lookAtBox(box, OLD, { 'the channel': () => true });
    writeBaseline(box, baseline);
    assert.deepEqual(readBaseline(box), baseline);
    change(world, box);
    return lossesOf(box, readBaseline(box)!, { 'the channel': () => world.answering.has('channel') || true });
  };

  test('none if nothing has changed', () => {
    assert.deepEqual(
      lost(() => {}),
      [],
    );
  });

  test('units: failed, stopped; not those that the release no longer has, or that a first boot only runs', () => {
    assert.deepEqual(
      lost(({ units }) => units.set('web.service', 'failed')),
      ['web.service has failed'],
    );
    assert.deepEqual(
      lost(({ units }) => units.set('web.service', 'inactive')),
      ['web.service was active and is inactive (dead)'],
    );
    assert.deepEqual(
      lost(({ units }) => units.set('new.service', 'failed')),
      ['new.service has failed'],
    );
    assert.deepEqual(
      lost(({ units, notFound }) => units.set('web.service', 'inactive') && notFound.add('web.service')),
      [],
    );
    assert.deepEqual(
      lost(({ units, unmet }) => units.set('web.service', 'inactive') && unmet.add('web.service')),
      [],
    );
  });

  test('earlier faults do not count', () => {
    assert.deepEqual(
      lost(
        () => {},
        ({ units }) => units.set('web.service', 'failed'),
      ),
      [],
    );
    const unhealthy = { name: 'web', state: 'running', status: 'Up (unhealthy)', unit: 'web.service' };
    assert.deepEqual(
      lost(
        () => {},
        (world) => {
          world.containers = [unhealthy];
        },
      ),
      [],
    );
    assert.deepEqual(
      lost(
        ({ answering }) => answering.clear(),
        ({ answering }) => answering.clear(),
      ),
      [],
    );
  });

  test('containers of units that are gone or unhealthy, but not those that were started by hand', () => {
    assert.deepEqual(
      lost((world) => {
        world.containers = [];
      }),
      ['container web does not run'],
    );
    const starting = [
      { name: 'web', state: 'running', status: 'Up 1 second (starting)', unit: 'web.service' },
    ];
    assert.deepEqual(
      lost((world) => {
        world.containers = starting;
      }),
      ['container web was healthy and is not'],
    );
    const byHand = { name: 'x', state: 'running', status: 'Up' };
    assert.deepEqual(
      lost(
        (world) => {
          world.containers = world.containers.slice(0, 1);
        },
        (world) => {
          world.containers = [...world.containers, byHand];
        },
      ),
      [],
    );
  });

  test('mounts, routes, gateways', () => {
    assert.deepEqual(
      lost(({ mounts }) => mounts.delete('/data')),
      ['/data is not mounted'],
    );
    assert.deepEqual(
      lost(({ mounts }) => mounts.set('/data', 'ro')),
      ['/data was writable and is read-only'],
    );
    assert.deepEqual(
      lost((world) => {
        world.routes = [];
      }),
      ['the default route IPv4 by eth0 is gone'],
    );
    assert.deepEqual(
      lost(({ answering }) => answering.clear()),
      ['10.0.2.2 cannot be reached'],
    );
  });

  test('pools', () => {
    const withPool = (world: World, box: FakeBox, pools: object) => {
      world.pools = pools as Record<string, unknown>;
      box.put({ '/proc/spl/kstat/zfs/x': '' });
    };
    const { box, world } = fakeWorld();
    withPool(world, box, tank('ONLINE', disk('ONLINE', 0, '1'), disk('ONLINE', 2, '2')));
    const baseline = lookAtBox(box, OLD);
    const now = (pools: object) => {
      world.pools = pools as Record<string, unknown>;
      return lossesOf(box, baseline);
    };
    assert.deepEqual(now(tank('ONLINE', disk('ONLINE', 0, '1'), disk('ONLINE', 1, '2'))), []);
    assert.deepEqual(now({}), ['pool tank is not imported']);
    assert.deepEqual(now(tank('DEGRADED', disk('ONLINE', 0, '1'), disk('UNAVAIL', 0, '2'))), [
      'pool tank: tank was ONLINE and is DEGRADED',
      'pool tank: /dev/disk/by-id/d2 was ONLINE and is UNAVAIL',
    ]);
    assert.match(
      now(tank('ONLINE', disk('ONLINE', 3, '1'), disk('ONLINE', 0, '2'))).join(),
      /d1 has 3 errors and had 0/,
    );
    assert.match(now(tank('ONLINE', disk('ONLINE', 0, '1'))).join(), /has lost .*d2/);
    const degraded = parsePools(JSON.stringify({ pools: tank('DEGRADED', disk('UNAVAIL', 0, '1')) }))[0]!;
    assert.deepEqual(poolLosses(degraded, degraded), [], 'degraded before');
  });

  test('a damaged record is ignored', () => {
    const { box } = fakeWorld();
    for (const text of ['', '{"format": 2}', '{"format": 1, "units": 3}']) {
      box.put({ [BASELINE]: text });
      assert.equal(readBaseline(box), undefined);
    }
    assert.equal(box.journal('warning').length, 3);
  });
});

test('losses that a server outside may cause: a server, a router, a file system of another machine', () => {
  const { box } = fakeWorld();
  const readFile = box.readFile.bind(box);
  box.readFile = (path) =>
    path === '/proc/self/mounts'
      ? new TextEncoder().encode(
          'nas:/films /mnt/my-films nfs4 rw,vers=4.2 0 0\n/dev/vdb1 /data ext4 rw 0 0\n',
        )
      : readFile(path);
  const baseline = lookAtBox(box, OLD);
  const remote = ['/mnt/my-films is not mounted', 'mnt-my\\x2dfilms.mount has failed'];
  assert.ok(isOutside(baseline, [...remote, '10.0.2.2 cannot be reached']));
  assert.ok(!isOutside(baseline, [...remote, '/data is not mounted']));
  assert.ok(!isOutside(baseline, ['10.0.2.3 cannot be reached']), 'nothing is known of that address');
  assert.ok(!isOutside(baseline, []) && !isOutside(undefined, remote));
});

test('pools are read first: read-only, exported again, and never written when something is wrong', () => {
  const { box, world } = fakeWorld();
  const before = parsePools(JSON.stringify({ pools: tank('ONLINE', disk('ONLINE')) }));
  box.put({ '/dev/disk/by-id/d1': '', '/proc/spl/kstat/zfs/x': '' });
  world.pools = tank('ONLINE', disk('ONLINE'));
  box.program('udevadm', () => ({ code: 1, stderr: 'Timed out' })); // another disk is slow
  assert.deepEqual(readFirst(box, before), []);
  const zpool = box.ran.filter(([name]) => name === 'zpool').map((argv) => argv.join(' '));
  assert.equal(zpool[0], 'zpool import -d /dev/disk/by-id -o readonly=on -N -R /run/draisine/pools tank');
  assert.equal(zpool.at(-1), 'zpool export tank');
  world.pools = tank('DEGRADED', disk('FAULTED'));
  assert.match(readFirst(box, before).join(), /d1 was ONLINE and is FAULTED/);
  box.program('zpool', () => ({
    code: 1,
    stderr: 'This pool uses the following feature(s) not supported\n',
  }));
  assert.match(readFirst(box, before).join(), /pool tank cannot be imported: This pool uses/);
});

test('gates: a unit, a command, an HTTP answer, a container, a pool', () => {
  const { box, world } = fakeWorld();
  const fault = (gate: Gate) => gateFault(box, gate);
  assert.equal(fault({ unit: 'web.service' }), undefined);
  assert.equal(fault({ unit: 'none.service' }), 'none.service is inactive');
  box.program('check', () => ({ code: 3, stderr: 'no db' }));
  assert.equal(fault({ command: ['check', 'db'] }), 'gate command check db: check ended with 3: no db');
  assert.equal(fault({ http: 'http://localhost/', status: 200 }), undefined);
  world.httpCode = '503';
  assert.equal(fault({ http: 'http://localhost/', status: 200 }), 'http://localhost/ answers 503, not 200');
  assert.equal(fault({ container: 'web' }), undefined);
  assert.equal(fault({ container: 'db' }), 'container db does not run');
  world.containers = [{ name: 'web', state: 'running', status: 'Up (unhealthy)' }];
  assert.equal(fault({ container: 'web' }), 'container web is not healthy');
  assert.equal(fault({ pool: 'tank' }), 'pool tank is not imported');
});

test('a trial is judged neither early nor by a single look, and at the deadline at the latest', () => {
  const look = (uptime: number, ...faults: string[]) => ({ uptime, faults });
  const of = (...looks: ReturnType<typeof look>[]) => judge(looks, 600, 1200);
  assert.equal(of(), 'look again');
  assert.equal(of(look(590), look(599)), 'look again');
  assert.equal(of(look(590), look(600)), 'commit');
  assert.equal(of(look(700, 'x'), look(710)), 'look again');
  assert.equal(of(look(700, 'x'), look(710), look(720)), 'commit');
  assert.equal(of(look(1100, 'x')), 'look again');
  assert.equal(of(look(1100, 'x'), look(1200, 'x')), 'reject');
  assert.equal(of(look(1190, 'x'), look(1200)), 'look again', 'one good look at the end is given another');
  assert.deepEqual(
    commonFaults(['a.service has failed', 'http://x answers 500'], ['a.service has failed', 'b']),
    ['a.service has failed'],
  );
});

describe('at boot', () => {
  /** The box has staged NEXT with a baseline, and was restarted into it. */
  const trial = (policy: object = {}) => {
    const { box, world } = fakeWorld();
    writeBaseline(box, lookAtBox(box, OLD));
    stageNext(box);
    box.put({ [POLICY]: JSON.stringify({ settle: 60, deadline: 120, ...policy }) });
    bootInto(box, 'next');
    runningClock(box);
    return { box, world };
  };

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
    assert.ok(box.ran.some((argv) => argv.join(' ') === 'rm -rf /.etc-trial /.etc-trial.new'));
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

  test('late, but before the deadline: committed', () => {
    const { box, world } = trial();
    world.units.set('web.service', 'activating');
    runningClock(box, (uptime) => {
      if (uptime > 90) world.units.set('web.service', 'active');
    });
    atBoot(box, () => {});
    assert.equal(readState(box).lastTrial?.text, 'committed');
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

  test('a server is down during a whole trial: a second trial later, and then the rejection is final', () => {
    const { box, world } = trial();
    world.answering.clear();
    atBoot(box, () => {});
    assert.equal(world.reboots, 1);
    const [first] = readState(box).rejected;
    assert.match(first?.reason ?? '', /^10\.0\.2\.2 cannot be reached; nothing of this box was missing/);
    assert.equal(first?.again, first!.since + 4 * 3_600_000);
    // The old release reaches it: it was the update, or the server is back.
    world.answering.add('10.0.2.2');
    bootInto(box, 'old');
    runningClock(box);
    atBoot(box, () => {});
    writeBaseline(box, lookAtBox(box, OLD));
    stageNext(box);
    changeState(box, ({ staged }) => ({ staged: { ...staged!, second: true }, rejected: [] }));
    world.answering.clear();
    bootInto(box, 'next');
    runningClock(box);
    atBoot(box, () => {});
    assert.deepEqual(
      readState(box).rejected.map(({ reason, again }) => [reason, again]),
      [['10.0.2.2 cannot be reached', undefined]],
    );
    // Nor does the old release reach it: the server stays away, and the release may be tried again.
    bootInto(box, 'old');
    runningClock(box);
    atBoot(box, () => {});
    const [last] = readState(box).rejected;
    assert.match(last?.reason ?? '', /not the update: /);
    assert.ok(last?.again !== undefined);
  });

  test('a disk dies in a trial: the old release sees it too, so the release is tried again; not so for a gate', () => {
    const { box, world } = trial({ gates: [{ http: 'http://localhost/', status: 200 }] });
    world.mounts.delete('/data');
    atBoot(box, () => {});
    assert.equal(readState(box).rejected[0]?.again, undefined);
    bootInto(box, 'old');
    runningClock(box);
    atBoot(box, () => {});
    const [rejected] = readState(box).rejected;
    assert.match(rejected?.reason ?? '', /\/data is not mounted \(not the update: /);
    assert.ok(rejected?.again !== undefined);

    const gate = trial({ gates: [{ http: 'http://localhost/', status: 200 }] });
    gate.world.httpCode = '500';
    atBoot(gate.box, () => {});
    bootInto(gate.box, 'old');
    runningClock(gate.box);
    atBoot(gate.box, () => {});
    assert.match(readState(gate.box).rejected[0]?.reason ?? '', /not the update/);
    assert.equal(readState(gate.box).rejected[0]?.again, undefined, 'each trial would end like that');
  });

  test('a server is down, and a unit has failed: rejected for good', () => {
    const { box, world } = trial();
    world.answering.clear();
    world.units.set('web.service', 'failed');
    atBoot(box, () => {});
    assert.equal(readState(box).rejected[0]?.again, undefined);
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

  test('neither release has tries left: the one that runs stays', () => {
    const { box } = trial();
    const esp = '/run/draisine/mounts/vda1.42/EFI/Linux';
    box.rename(`${esp}/draisine_${NEXT}+3.efi`, `${esp}/draisine_${NEXT}+0-3.efi`);
    box.rename(`${esp}/draisine_${OLD}.efi`, `${esp}/draisine_${OLD}+0-1.efi`);
    bootInto(box, 'old');
    runningClock(box);
    atBoot(box, () => {});
    assert.deepEqual(ukis(box), [`draisine_${OLD}.efi`, `draisine_${NEXT}+0-3.efi`]);
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

  test('a program that answers nonsense is a fault, and the trial ends', () => {
    const { box, world } = trial();
    box.program('podman', () => 'panic: runtime error');
    atBoot(box, () => {});
    assert.equal(world.reboots, 1);
    assert.deepEqual(ukis(box), ['draisine_2026.1101.0.efi', `draisine_${NEXT}+0-1.efi`]);
    assert.match(readState(box).rejected[0]?.reason ?? '', /a check of the trial itself failed: .*JSON/);
  });

  test('if the old release has the same faults, the update was not the cause', () => {
    const { box, world } = trial({ gates: [{ http: 'http://localhost/', status: 200 }] });
    world.httpCode = '500';
    atBoot(box, () => {});
    bootInto(box, 'old');
    runningClock(box);
    atBoot(box, () => {});
    assert.match(
      readState(box).rejected[0]?.reason ?? '',
      /\(not the update: 2026\.1101\.0 has the same faults: /,
    );
    assert.match(box.journal('warning').at(-1) ?? '', /the cause was not the update/);
    assert.equal(world.reboots, 1);
  });

  test('the previous release reports once that a release did not come up', () => {
    const { box } = trial();
    const esp = '/run/draisine/mounts/vda1.42/EFI/Linux';
    box.rename(`${esp}/draisine_${NEXT}+3.efi`, `${esp}/draisine_${NEXT}+0-3.efi`);
    bootInto(box, 'old');
    runningClock(box);
    atBoot(box, () => {});
    const { rejected, staged } = readState(box);
    assert.equal(staged, undefined);
    assert.equal(rejected[0]?.reason, 'it was started 3 times, and never ran long enough to be judged');
    const { length } = box.logged;
    atBoot(box, () => {});
    assert.equal(box.logged.length, length);
  });

  test('the kernel image of a staged release has vanished: not rejected, and staged again', () => {
    const { box } = trial();
    box.remove(`/run/draisine/mounts/vda1.42/EFI/Linux/draisine_${NEXT}+3.efi`);
    bootInto(box, 'old');
    atBoot(box, () => {});
    const { rejected, staged, unstaged } = readState(box);
    assert.deepEqual([rejected, staged], [[], undefined]);
    assert.match(unstaged?.reason ?? '', /kernel image is gone/);
    assert.equal(box.stat(BASELINE), undefined);
  });

  test('a power cut in a trial costs a try; staged and not booted yet stays staged', () => {
    const { box } = trial();
    const esp = '/run/draisine/mounts/vda1.42/EFI/Linux';
    box.rename(`${esp}/draisine_${NEXT}+3.efi`, `${esp}/draisine_${NEXT}+2-1.efi`);
    bootInto(box, 'old');
    atBoot(box, () => {});
    assert.equal(readState(box).staged?.version, NEXT);
    assert.match(box.journal('notice').at(-1) ?? '', /was tried 1 times and has 2 tries left/);
  });

  test('the power fails after a commit, before it is recorded', () => {
    const { box } = trial();
    const esp = '/run/draisine/mounts/vda1.42/EFI/Linux';
    box.rename(`${esp}/draisine_${NEXT}+3.efi`, `${esp}/draisine_${NEXT}.efi`);
    atBoot(box, () => {});
    assert.deepEqual([readState(box).staged, readState(box).floor], [undefined, NEXT]);
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

  test('a release that is staged while the end of a trial is looked at keeps its baseline', () => {
    const { box, world } = trial({ gates: [{ http: 'http://localhost/', status: 200 }] });
    world.httpCode = '500';
    atBoot(box, () => {});
    bootInto(box, 'old');
    let staging = false;
    runningClock(box, (uptime) => {
      if (uptime < 60 || staging) return;
      staging = true;
      writeBaseline(box, lookAtBox(box, OLD));
      stageNext(box);
    });
    atBoot(box, () => {});
    assert.ok(readBaseline(box));
  });

  test('its owner ends it', () => {
    const { box, world } = trial();
    world.units.set('web.service', 'inactive');
    runningClock(box, () => box.remove('/run/draisine/on-trial.json'));
    atBoot(box, () => {});
    assert.equal(world.reboots, 0);
    assert.deepEqual(ukis(box), ['draisine_2026.1101.0.efi', `draisine_${NEXT}+2-1.efi`]);
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FakeBox } from '../io/fake.ts';
import { recordSuccess } from '../replicate/state.ts';
import { recordedText, sameForm, showLike } from '../testing/answers.ts';
import type { Pool, Scan } from '../zfs/pools.ts';
import { parsePools } from '../zfs/pools.ts';
import type { Condition } from './condition.ts';
import { lookAround } from './conditions.ts';
import { overdueConditions } from './overdue.ts';
import { containerConditions, restartConditions, unitConditions } from './services.ts';
import { poolConditions, quotaConditions, roomConditions } from './storage.ts';

const NOW = Date.parse('2026-11-29T12:00:00Z');
const HOUR = 3_600_000;
/** As systemctl prints it: showLike() checks that. */
const shown = (milliseconds: number) =>
  `Sun ${new Date(milliseconds).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

/** A machine with an hourly snapshot, a monthly scrub and a daily replication; all timers run. */
function machine() {
  const box = new FakeBox(NOW - 100 * 24 * HOUR);
  const sent = { dataset: 'tank/a', user: 'u', host: 'other', port: 22, target: 't/a', keep: 3 };
  box.put({
    '/etc/draisine/snapshots/tank/a-b.hourly.sh': 'x',
    '/etc/draisine/scrubs/tank.sh': 'x',
    '/etc/draisine/replicate/a.json': JSON.stringify(sent),
    '/proc/uptime': '9000.00 1\n',
  });
  box.setClock(NOW);
  const world = {
    newest: NOW - HOUR,
    scan: { kind: 'scrub', end: NOW - 20 * 24 * HOUR } as Scan | undefined,
    stopped: new Set<string>(),
    every: 24 * HOUR,
    /** The begin of a transfer that lasts. */
    began: undefined as number | undefined,
  };
  recordSuccess(box, 'a', 'tank/a@x');
  box.program('zfs', () =>
    [NOW - 90 * HOUR, world.newest]
      .map((at) => `tank/a-b@auto-hourly-20260101T000000Z\t${at / 1000}\n`)
      .join(''),
  );
  box.program('systemctl', (argv, { env }) => {
    assert.equal(env?.TZ, 'UTC');
    return argv
      .slice(argv.indexOf('--') + 1)
      .map((name) => {
        const every = name.startsWith('scrub') ? 30 * 24 * HOUR : world.every;
        const ActiveState = world.stopped.has(name) ? 'inactive' : 'active';
        // systemd computes the next time when the job has ended.
        const times =
          name === 'replicate-a.timer' && world.began !== undefined
            ? { SubState: 'running', LastTriggerUSec: shown(world.began) }
            : { LastTriggerUSec: shown(NOW), NextElapseUSecRealtime: shown(NOW + every) };
        return showLike('Id,ActiveState,SubState,LastTriggerUSec,NextElapseUSecRealtime', {
          ...{ Id: name, ActiveState },
          ...times,
        });
      })
      .join('\n\n');
  });
  const told = () => {
    const pool: Pool = { name: 'tank', state: 'ONLINE', vdevs: [], scan: world.scan };
    return overdueConditions(box, [pool]).map(({ text }) => text);
  };
  return { box, world, told };
}

describe('a job of a timer', () => {
  test('that ran in its time is not reported', () => {
    assert.deepEqual(machine().told(), []);
  });

  test('without success in twice its time is reported, with a command', () => {
    const { box, world, told } = machine();
    world.newest = NOW - 4 * HOUR;
    world.scan = { kind: 'scrub', end: NOW - 61 * 24 * HOUR };
    assert.deepEqual(told(), [
      'hourly snapshots of tank/a-b are overdue, there was no success since 2026-11-29T08:00:00Z: systemctl status snapshot-tank-a\\x2db-hourly.service',
      'scrubs of pool tank are overdue, there was no success since 2026-09-29T12:00:00Z: systemctl status scrub-tank.service',
    ]);
    world.newest = NOW;
    world.scan = undefined;
    box.setClock(NOW + 50 * HOUR);
    world.newest = NOW + 50 * HOUR;
    assert.deepEqual(
      told().map((text) => text.split(',')[0]),
      ['scrubs of pool tank are overdue', 'transfers of tank/a to other are overdue'],
    );
  });

  test('that has not run yet counts from the time when it was set up', () => {
    const { box, world, told } = machine();
    box.program('zfs', () => '');
    assert.match(told().join(), /^hourly snapshots .* since 2026-08-21T12:00:00Z/);
    box.put({ '/etc/draisine/snapshots/tank/a-b.hourly.sh': 'x' });
    assert.deepEqual(told(), []);
    world.scan = { kind: 'resilver', end: NOW - 400 * 24 * HOUR };
    assert.deepEqual(told(), [], 'a resilver says nothing of the scrub before it');
    world.scan = { kind: 'scrub', end: undefined };
    assert.deepEqual(told(), [], 'it runs');
  });

  test('that does not end is reported after a week, because its timer has no next time', () => {
    const { box, world, told } = machine();
    world.began = NOW + 40 * 24 * HOUR; // a monthly transfer
    for (const [days, texts] of [
      [46, []],
      [48, ['transfers of tank/a to other are overdue']],
    ] as const) {
      box.setClock(NOW + days * 24 * HOUR);
      world.newest = box.now();
      assert.deepEqual(
        told()
          .map((text) => text.split(',')[0])
          .filter((text) => /^transfers/.test(text ?? '')),
        texts,
      );
    }
  });

  test('whose dataset is missing hides no other', () => {
    const { box, world, told } = machine();
    box.put({ '/etc/draisine/snapshots/gone/x.daily.sh': 'x' });
    world.newest = NOW - 4 * HOUR;
    const answer = box.programs.get('zfs');
    box.program('zfs', (argv, options) =>
      argv.at(-1) === 'gone/x'
        ? { code: 1, stderr: 'dataset does not exist' }
        : (answer?.(argv, options, box) ?? ''),
    );
    assert.deepEqual(
      told().map((text) => text.split(',')[0]),
      ['hourly snapshots of tank/a-b are overdue'],
    );
  });

  test('whose timer was stopped is reported', () => {
    const { world, told } = machine();
    world.stopped.add('scrub-tank.timer').add('replicate-a.timer');
    assert.deepEqual(told(), [
      'scrubs of pool tank: their timer does not run: systemctl enable --now scrub-tank.timer',
      'transfers of tank/a to other: their timer does not run: systemctl enable --now replicate-a.timer',
    ]);
  });

  test('gets time after a boot; without jobs nothing is asked', () => {
    const { box, world, told } = machine();
    world.newest = 0;
    box.put({ '/proc/uptime': '3000.00 1\n' });
    assert.deepEqual(told(), []);
    const none = new FakeBox(NOW).put({ '/proc/uptime': '9000.00 1\n' });
    assert.deepEqual(overdueConditions(none, []), []);
    assert.deepEqual(none.ran, []);
  });
});

const REAL = JSON.parse(recordedText(['zpool', 'status', '--json', '-p', '-P'])).pools.tank;

describe('pools', () => {
  const parse = (more: object) =>
    parsePools(JSON.stringify({ pools: { tank: sameForm(REAL, { state: 'ONLINE', ...more }) } }))[0] as Pool;
  const texts = (more: object) => poolConditions(parse(more)).map(({ text }) => text);

  test('tell their last scrub', () => {
    const scans = [
      { function: 'SCRUB', state: 'FINISHED', end_time: '1764417600', errors: '0' },
      { function: 'SCRUB', state: 'SCANNING', end_time: '-', errors: '0' },
      { function: 'NONE' },
      {},
    ];
    assert.deepEqual(
      scans.map((scan) => parse({ scan_stats: scan }).scan),
      [{ kind: 'scrub', end: 1_764_417_600_000 }, { kind: 'scrub', end: undefined }, undefined, undefined],
    );
  });

  test('with damaged data are reported, also after a restart, which sets the counts of the disks to 0', () => {
    const told = ['pool tank has 3 errors in its data that it could not repair: zpool status -v tank'];
    assert.deepEqual(texts({ error_count: '3', scan_stats: { function: 'SCRUB', errors: '0' } }), told);
    assert.deepEqual(texts({ scan_stats: { function: 'SCRUB', errors: '3' } }), told, 'without a count');
    // Its owner has put the file back since that scrub.
    assert.deepEqual(texts({ error_count: '0', scan_stats: { function: 'SCRUB', errors: '3' } }), []);
  });

  test('tell how full they are', () => {
    const used = (more: object) => parse({ vdevs: { tank: { name: 'tank', ...more } } }).used;
    assert.equal(used({ alloc_space: '8590000000', total_space: '10000000000' }), 85);
    assert.equal(used({ total_space: '10000000000' }), 0);
    assert.equal(used({}), undefined);
  });
});

test('each disk that fails is a problem of its own, also a spare; so is a pool that has stopped', () => {
  const pool = (state: string, ...states: string[]) => {
    const disks = states.map((disk, index) => ({ path: `/dev/${index}`, guid: index, state: disk }));
    const group = { name: 'raidz2-0', state, guid: 9, vdevs: { ...disks } };
    const root = { name: 't', state, guid: 7, vdevs: { 'raidz2-0': group } };
    const spares = { s: { path: '/dev/s', guid: 8, state: 'UNAVAIL' } };
    const text = JSON.stringify({ pools: { t: { state, vdevs: { t: root }, spares } } });
    return poolConditions(parsePools(text)[0] as Pool);
  };
  const one = pool('DEGRADED', 'FAULTED', 'ONLINE', 'ONLINE');
  assert.deepEqual(
    one.map(({ text }) => text),
    ['pool t is DEGRADED: /dev/0 is FAULTED', 'pool t is DEGRADED: /dev/s is UNAVAIL'],
  );
  const fresh = (now: typeof one) => now.filter(({ name }) => !one.some((known) => known.name === name));
  assert.deepEqual(
    fresh(pool('DEGRADED', 'FAULTED', 'REMOVED', 'ONLINE')).map(({ text }) => text),
    ['pool t is DEGRADED: /dev/1 is REMOVED'],
  );
  assert.equal(fresh(pool('SUSPENDED', 'FAULTED', 'REMOVED', 'ONLINE'))[0]?.text, 'pool t is SUSPENDED');
  assert.equal(pool('ONLINE', 'ONLINE')[0]?.text, 'pool t: /dev/s is UNAVAIL');
});

test('errors are a problem of the disks that have them, else of the pool, and of nothing above', () => {
  const texts = (...errors: number[]) => {
    const [all, mirror, a, b] = errors.map((count) => ({ state: 'ONLINE', checksum_errors: count }));
    const disks = { a: { ...a, path: '/dev/a', guid: 1 }, b: { ...b, path: '/dev/b', guid: 2 } };
    const group = { ...mirror, name: 'mirror-0', guid: 3, vdevs: disks };
    const vdevs = { t: { ...all, name: 't', guid: 4, vdevs: { 'mirror-0': group } } };
    const [pool] = parsePools(JSON.stringify({ pools: { t: { state: 'ONLINE', vdevs } } }));
    return poolConditions(pool as Pool).map(({ text }) => text.split(' (')[0]);
  };
  assert.deepEqual(texts(2, 2, 4, 4), ['pool t: /dev/a has had 4 errors', 'pool t: /dev/b has had 4 errors']);
  assert.deepEqual(texts(1, 1, 0, 0), ['pool t: t has had 1 errors']);
  assert.deepEqual(texts(0, 0, 0, 0), []);
});

describe('room', () => {
  const texts = (conditions: readonly Condition[]) =>
    conditions.map(({ severity, text }) => `${severity}: ${text}`);

  test('of the state, other file systems and pools, and their inodes', () => {
    const box = new FakeBox();
    // Real output of df(1): btrfs and vfat have no fixed number of inodes.
    const others =
      'Use% IUse% Mounted on\n 95%   91% /\n 95%   91% /etc\n 83%     - /srv/my data\n  9%  100% /srv/b\n  -     - /boot\n';
    box.program('df', (argv) => (argv.includes('-t') ? others : 'Use% IUse%\n 40%   85%\n'));
    const pools: Pool[] = [
      { name: 'tank', state: 'ONLINE', vdevs: [], used: 79 },
      { name: 'my pool', state: 'ONLINE', vdevs: [], used: 91 },
    ];
    const conditions = roomConditions(box, pools);
    assert.deepEqual(texts(conditions), [
      'warning: the state partition holds 85 % of the files that it can hold (df -i): draisine free removes unused images',
      'warning: /srv/my data is 83 % full: remove unneeded files there',
      'error: /srv/b holds 100 % of the files that it can hold (df -i): remove unneeded files there',
      'error: pool my pool is 91 % full: remove data or snapshots, or add disks',
    ]);
    assert.equal(new Set(conditions.map(({ name }) => name)).size, 4);
  });

  test('of datasets with a quota, with or without their snapshots', () => {
    const box = new FakeBox();
    const rows = ['tank 900 0 900 0', 'tank/my a 850 1000 1 0', 'tank/b 950 1000 1 0', 'tank/c 10 1000 9 10'];
    box.program('zfs', () => rows.map((row) => `${row.replaceAll(/ (?=\d)/g, '\t')}\n`).join(''));
    assert.deepEqual(texts(quotaConditions(box)), [
      'warning: dataset tank/my a is 85 % full: it has a quota: raise it, or remove data',
      'error: dataset tank/b is 95 % full: it has a quota: raise it, or remove data',
      'error: dataset tank/c is 90 % full: it has a quota: raise it, or remove data',
    ]);
  });
});

test('an unhealthy container is a problem; one that is starting is none', () => {
  const box = new FakeBox().put({ '/var/lib/containers/storage/overlay-containers/x': '' });
  assert.deepEqual(containerConditions(box), []);
  assert.deepEqual(
    box.ran,
    [],
    'without a health check podman is not asked, because it writes to its storage',
  );
  box.put({ [`/run/systemd/transient/${'0a'.repeat(32)}-5f3759df.timer`]: '' });
  const all = ['Up 1 minute (unhealthy)', 'unhealthy', 'Up 1 minute (starting)', 'starting', 'healthy', ''];
  box.program('podman', () =>
    JSON.stringify(
      sameForm(
        JSON.parse(recordedText(['podman', 'ps', '--all', '--format', 'json'])),
        all.map((Status, index) => ({ Names: [`c${index}`], State: 'running', Status })),
      ),
    ),
  );
  assert.deepEqual(
    containerConditions(box).map(({ name }) => name),
    ['container c0', 'container c1'],
  );
});

describe('units', () => {
  const shown = (units: Readonly<Record<string, string>>) => {
    const box = new FakeBox().put({ '/proc/uptime': '10000.00 1\n' });
    box.program('systemctl', (argv) => {
      if (argv.includes('list-units'))
        return Object.keys(units)
          .map((name) => `${name} loaded failed failed x`)
          .join('\n');
      const properties = argv[2]?.slice('--property='.length) ?? '';
      return Object.entries(units)
        .map(([Id, lines]) =>
          showLike(properties, {
            Id,
            ...Object.fromEntries(lines.split('\n').map((line) => line.split('='))),
          }),
        )
        .join('\n\n');
    });
    return box;
  };

  test('that systemd does not start again are reported in other words than failed ones', () => {
    const box = shown({
      'a.service': 'Result=exit-code\nNRestarts=0',
      'app.service': 'Result=exit-code\nNRestarts=4',
      'web.service': 'Result=start-limit-hit\nNRestarts=0',
    });
    assert.deepEqual(
      unitConditions(box).map(({ text }) => text.split(':')[0]),
      [
        'a.service has failed',
        ...['app', 'web'].map((name) => `${name}.service failed too often and is not started again`),
      ],
    );
  });

  test('in which podman checks the health of containers are not reported: the containers are', () => {
    const check = `${'0a'.repeat(32)}-5f3759df.service`;
    assert.deepEqual(unitConditions(shown({ [check]: '' })), []);
  });

  test('that run only for moments are reported; those that have recovered are not', () => {
    const running = (restarts: number, since: number) =>
      `NRestarts=${restarts}\nSubState=running\nActiveEnterTimestampMonotonic=${since * 1e6}`;
    const box = shown({
      'flaps.service': running(6, 9900),
      'over.service': running(6, 5000),
      'new.service': running(1, 9990),
      'waits.service': 'NRestarts=5\nSubState=auto-restart\nActiveEnterTimestampMonotonic=0',
      'starts.service': 'NRestarts=7\nSubState=start\nActiveEnterTimestampMonotonic=0',
      'done.service': 'NRestarts=9\nSubState=dead\nActiveEnterTimestampMonotonic=0',
    });
    assert.deepEqual(
      restartConditions(box).map(({ text }) => text.split(' ')[0]),
      ['flaps.service', 'waits.service', 'starts.service'],
    );
  });

  test('that restart now and then, as a nightly job does, do not restart again and again', () => {
    const unit = 'NRestarts=40\nSubState=running\nActiveEnterTimestampMonotonic=999900000000';
    const units = {
      'nightly.service': unit,
      'flaps.service': unit,
      'rare.service': unit,
      'mute.service': unit,
    };
    const box = shown(units);
    box.put({ '/proc/uptime': '1000000.0 1\n' });
    const restarts: Record<string, number[]> = {
      'nightly.service': [1, 2, 3, 4, 5].map((night) => night * 86_400 + 500_000),
      'flaps.service': [996_500, 997_000, 998_000, 999_000, 999_890],
      'rare.service': [999_800, 999_890],
    };
    box.program('journalctl', (argv) =>
      (restarts[argv.at(-1)?.slice('UNIT='.length) ?? ''] ?? [])
        .map((time) => `{"UNIT":"x","__MONOTONIC_TIMESTAMP":"${time * 1e6}"}\n`)
        .join(''),
    );
    assert.deepEqual(
      restartConditions(box).map(({ text }) => text.split(' ')[0]),
      ['flaps.service', 'mute.service'],
    );
  });
});

test('a suspended pool is reported at once: nobody asks what would wait for its disks, and known problems stay', () => {
  const box = new FakeBox();
  box.put({ '/proc/spl/kstat/zfs/x': '', '/proc/uptime': '9000 1\n' });
  box.put({ '/etc/draisine/snapshots/tank/a.daily.sh': 'x' });
  box.program('systemctl', () => '');
  box.program('df', () => ' 85%    1%\n');
  const asked: string[] = [];
  for (const name of ['zpool', 'zfs'])
    box.program(name, (argv) => {
      if (argv.includes('status'))
        return JSON.stringify({ pools: { tank: { state: 'SUSPENDED', vdevs: {} } } });
      asked.push(argv.join(' '));
      return { code: 124 };
    });
  const { conditions, unseen } = lookAround(box);
  const texts = conditions.map(({ text }) => text);
  assert.ok(texts.includes('pool tank is SUSPENDED'));
  assert.ok(texts.some((text) => /the state partition is 85 % full/.test(text)));
  assert.deepEqual(asked, []);
  for (const source of ['features of pools', 'room', 'quotas', 'overdue jobs'])
    assert.ok(unseen.includes(source), source);
});

test('a question for room that gets no answer ends no problem', () => {
  const box = new FakeBox();
  box.put({ '/proc/uptime': '60 1\n' });
  box.program('systemctl', () => '');
  for (const hangs of [
    (argv: readonly string[]) => argv.includes('/var'),
    (argv: readonly string[]) => !argv.includes('/var'),
  ]) {
    box.program('df', (argv) => (hangs(argv) ? { code: 124 } : ' 10%\n'));
    assert.ok(lookAround(box).unseen.includes('room'));
  }
});

test('a restart ends no problem, and does not set the clock', () => {
  const box = new FakeBox();
  box.program('systemctl', () => '');
  box.program('df', () => ' 10%    1%\n');
  const look = (uptime: number) => {
    box.put({ '/proc/uptime': `${uptime} 1\n` });
    return lookAround(box);
  };
  for (const source of ['pools', 'failed units', 'containers', 'restarts', 'the clock', 'overdue jobs'])
    assert.ok(look(120).unseen.includes(source), source);
  assert.deepEqual(look(120).conditions, []);
  assert.deepEqual(look(1000).unseen, ['overdue jobs']);
  assert.deepEqual(look(3700).unseen, []);
  assert.match(look(1000).conditions[0]?.text ?? '', /^the clock is not synchronised/);
  box.put({ '/run/systemd/timesync/synchronized': '' });
  assert.deepEqual(look(1000).conditions, []);
});

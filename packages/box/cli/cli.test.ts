import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { ESP, HASHES, NEXT } from '../disk/testing.ts';
import type { Terminal } from '../install/terminal.ts';
import type { FakeBox } from '../io/fake.ts';
import { quickjsCommand, testFolder } from '../io/testing.ts';
import { recordFailure, recordSuccess } from '../replicate/state.ts';
import { bootInto, fakeWorld, OLD, runningClock, ukis, type World } from '../trial/testing.ts';
import { atBoot } from '../trial/trial.ts';
import { POLICY } from '../update/policy.ts';
import { changeState, readState } from '../update/state.ts';
import { draisineMain } from './main.ts';
import type { StatusReport } from './report.ts';
import { FakeWeb, policyText, publish } from './testing.ts';

interface Setting {
  readonly box: FakeBox;
  readonly world: World;
  readonly web: FakeWeb;
  /** Runs `draisine …`; what it printed, and its exit code. */
  readonly draisine: (...args: string[]) => { code: number; out: string; err: string };
  readonly status: () => StatusReport;
}

function setting(policy: object = {}, changes: Parameters<typeof publish>[2] = {}): Setting {
  const { box, world } = fakeWorld();
  const web = new FakeWeb(box);
  publish(box, web, changes);
  box.put({ [POLICY]: policyText(policy) });
  const draisine = (...args: string[]) => {
    const [out, err, before] = [[] as string[], [] as string[], box.logged.length];
    const terminal: Terminal = {
      print: (line) => void out.push(line),
      complain: (line) => void err.push(line),
      ask: () => undefined,
    };
    const code = draisineMain(box, terminal, args);
    return {
      code,
      out: out.join('\n'),
      err: [...err, ...box.logged.slice(before).map(({ text }) => text)].join('\n'),
    };
  };
  return {
    box,
    world,
    web,
    draisine,
    status: () => JSON.parse(draisine('status', '--json').out) as StatusReport,
  };
}

test('wrong usage is exit code 2, with the right usage', () => {
  const { draisine } = setting();
  assert.equal(draisine().code, 2);
  assert.match(draisine('--help').out, /status .*the running, staged/);
  for (const [words, message] of [
    [['nope'], /there is no verb nope/],
    [['status', '--fast'], /unknown option --fast/],
    [['stage', 'latest'], /a version such as 2026\.1129\.0, not latest/],
    [['stage', NEXT, NEXT], /one version/],
    [['check', '--base'], /--base needs a value/],
    [['hold'], /a hold has a name/],
    [['hold', 'x', '--for', 'ever'], /a duration such as 90m/],
    [['release-hold'], /name the hold/],
  ] as const) {
    const { code, err } = draisine(...words);
    assert.equal(code, 2, err);
    assert.match(err, message);
  }
});

test('the bundle is that command line, in QuickJS, within its memory', async (t) => {
  const folder = testFolder(t);
  const run = async (...args: string[]) => {
    const { file, args: words, env } = await quickjsCommand(folder, undefined, args);
    return spawnSync(file, words, { env, encoding: 'utf8' });
  };
  const help = await run('--help');
  assert.deepEqual([help.status, help.stderr], [0, '']);
  assert.match(help.stdout, /release-hold NAME/);
  const wrong = await run('nope');
  assert.deepEqual([wrong.status, wrong.stderr], [2, 'draisine: there is no verb nope; see --help\n']);
});

test('status shows transfers to other machines, and their failures', () => {
  const { box, draisine, status } = setting();
  const sent = { dataset: 'tank/a', user: 'u', host: 'other.example', port: 22, target: 't/a', keep: 3 };
  box.put({ '/etc/draisine/replicate/a.json': JSON.stringify(sent) });
  assert.match(draisine('status').out, /sent {6}tank\/a to other\.example: nothing yet$/m);
  recordSuccess(box, 'a', 'tank/a@x');
  recordFailure(box, 'a', 'the target is full');
  assert.match(draisine('status').out, /other\.example: 20\S+Z; the last run failed: draisine health$/m);
  assert.equal(status().replications[0]?.failure, 'the target is full');
  box.put({ '/etc/draisine/replicate/b.json': '{"dataset": ' });
  assert.match(draisine('status').out, /sent {6}b to an unknown machine: nothing yet; the last run failed/);
  assert.match(status().replications[1]?.failure ?? '', /replicate\/b\.json/);
});

test('status does not show a rejected release once a newer one runs', () => {
  const { box, draisine } = setting();
  const reject = (version: string) =>
    changeState(box, () => ({ rejected: [{ version, reason: 'x', since: 0, evidence: undefined }] }));
  reject('2001.101.0');
  assert.doesNotMatch(draisine('status').out, /was rejected/);
  reject('2099.101.0');
  assert.match(draisine('status').out, /2099\.101\.0 was rejected: x/);
});

test('status does not depend on disks that do not answer', () => {
  const { box, draisine, status } = setting();
  box.program('smartctl', () => ({ code: 124 }));
  const { code, out } = draisine('status');
  assert.equal(code, 0);
  assert.match(out, /^disk {6}smartctl ended with 124$/m);
  assert.equal(status().version, OLD);
});

describe('from check to commit', () => {
  test('by the timer: staged, restarted, on trial, committed', () => {
    const { box, world, web, draisine, status } = setting();
    assert.equal(draisine('update').code, 0);
    assert.deepEqual(ukis(box), [`draisine_${OLD}.efi`, `draisine_${NEXT}+3.efi`]);
    assert.equal(world.reboots, 1);
    assert.equal(readState(box).staged?.rebooting, true);
    assert.match(draisine('status').out, new RegExp(`${NEXT} is staged and runs from the next restart on`));
    assert.match(box.readText('/run/draisine/problems/update'), /is staged/);
    assert.ok(
      box.ran.some(
        (argv) => argv.join(' ') === 'cp -a /run/draisine/state/etc /run/draisine/state/.etc-trial.new/etc',
      ),
    );

    bootInto(box, 'next');
    runningClock(box);
    const before = web.asked.length;
    atBoot(box, () => {});
    assert.deepEqual(ukis(box), [`draisine_${OLD}.efi`, `draisine_${NEXT}.efi`]);
    assert.ok(web.asked.length > before, 'the channel must be reachable as before');
    const report = status();
    assert.equal(report.version, NEXT);
    assert.deepEqual(
      report.slots.map(({ version, running }) => [version, running]),
      [
        [OLD, false],
        [NEXT, true],
      ],
    );
    assert.equal(report.lastTrial?.text, 'committed');
    draisine('update');
    assert.equal(world.reboots, 1);
    assert.match(status().next?.text ?? '', /is the release that the channel stable names/);
  });

  test('the channel is asked every four hours only, sooner after a failure', () => {
    const { box, web, draisine } = setting({ mode: 'notify' });
    const asks = () => {
      const before = web.asked.length;
      draisine('update');
      return web.asked.length > before;
    };
    assert.ok(asks());
    box.advance(3_600_000);
    assert.ok(!asks());
    box.advance(3 * 3_600_000);
    assert.ok(asks());
    web.down = 7;
    box.advance(4 * 3_600_000);
    assert.ok(asks());
    box.advance(20 * 60_000);
    assert.ok(!asks());
    box.advance(15 * 60_000);
    assert.ok(asks());
  });

  test('mode stage: staged, and its owner restarts', () => {
    const { box, world, draisine, status } = setting({ mode: 'stage' });
    draisine('update');
    assert.equal(world.reboots, 0);
    assert.deepEqual(
      status().next?.waits.map(({ kind }) => kind),
      ['mode'],
    );
    assert.match(
      draisine('why').out,
      /does not restart by itself \(mode stage\)\. It ends when: draisine reboot, or any restart\./,
    );
    assert.doesNotMatch(draisine('health').out, /is staged/, 'that is no problem');
    assert.equal(draisine('reboot').code, 0);
    assert.equal(world.reboots, 1);
    assert.equal(readState(box).staged?.version, NEXT);
  });

  test('by hand, a version that is older, or that runs', () => {
    const { draisine } = setting();
    const older = draisine('stage', '2026.1031.0');
    assert.equal(older.code, 1);
    assert.match(
      older.err,
      /2026\.1101\.0 runs, and 2026\.1031\.0 is older: only draisine rollback goes back/,
    );
    assert.deepEqual([draisine('stage', OLD).code, draisine('stage', OLD).out], [0, `${OLD} runs already`]);
  });

  test('by hand, and twice', () => {
    const { draisine } = setting({ mode: 'notify' });
    assert.match(draisine('check').out, /this box only reports it \(mode notify\)/);
    const staged = JSON.parse(draisine('stage', '--json').out) as { version: string; fetched: number };
    assert.equal(staged.version, NEXT);
    assert.ok(staged.fetched > 16_384);
    assert.match(draisine('stage').out, /is staged already/);
  });
});

describe('reasons against an update', () => {
  test('held, released; a hold that ends', () => {
    const { box, draisine, status } = setting();
    assert.match(
      draisine('hold', 'film', '--reason', 'a film runs', '--for', '2h').out,
      /2026-11-29T14:00:00Z/,
    );
    draisine('update');
    assert.equal(readState(box).staged, undefined);
    assert.deepEqual(
      status().next?.waits.map(({ kind }) => kind),
      ['hold'],
    );
    assert.match(draisine('stage').err, /updates are held by film: a film runs/);
    assert.match(draisine('status').out, /held +by film: a film runs, until/);
    assert.equal(draisine('release-hold', 'other').code, 1);
    assert.equal(draisine('release-hold', 'film').code, 0);
    assert.equal(draisine('stage').code, 0);
  });

  test('a hold for some hours also holds a box whose clock is of 1970', () => {
    const { box, draisine } = setting();
    draisine('check');
    box.setClock('1970-01-01T00:00:10Z');
    assert.match(draisine('hold', 'film', '--for', '2h').out, /2026-11-28T14:00:00Z/);
    assert.match(draisine('stage').err, /updates are held by film/);
    box.setClock('2026-11-29T12:00:00Z');
    assert.equal(draisine('stage').code, 0);
  });

  test('a server that is down, a channel of another image, an old serial: an error, and no change', () => {
    const { box, web, draisine, status } = setting();
    draisine('check');
    web.down = 6;
    assert.match(draisine('check').err, /cannot fetch root\.json: the name of the server cannot be resolved/);
    assert.equal(status().lastCheck?.result, 'failed');
    assert.match(draisine('why').out, /The last check failed: cannot fetch root\.json/);
    web.down = 0;
    publish(box, web, { channel: { serial: 4 } });
    assert.match(draisine('check').err, /has serial 4, but 5 was accepted before/);
    publish(box, web, { channel: { image: 'generic' } });
    assert.match(draisine('check').err, /is the channel stable of generic, not stable of n100/);
    publish(box, web, { release: { version: '2026.1130.0' } });
    assert.match(draisine('check').err, /release\.json is of n100 2026\.1130\.0/);
    web.put('n100/stable.json', '<html>');
    assert.match(draisine('check').err, /it looks like a web page/);
    web.files.delete('n100/stable.json');
    assert.match(draisine('check').err, /there is no channel stable of n100/);
    assert.equal(draisine('update').code, 0, 'no unit fails by that');
    assert.equal(readState(box).staged, undefined);
  });

  test('with a clock of 2021 old files are still old; an expired channel brings no release', () => {
    const { box, draisine, status } = setting();
    draisine('check');
    box.setClock('2021-01-01T00:00:00Z');
    assert.equal(draisine('stage').code, 0);
    const late = setting();
    late.box.setClock('2026-12-06T00:00:00Z');
    late.draisine('update');
    assert.deepEqual(
      late.status().next?.waits.map(({ kind }) => kind),
      ['expired'],
    );
    assert.match(late.box.journal('warning').join(), /expired at 2026-12-05/);
    assert.equal(status().staged?.version, NEXT);
  });

  test('a lost channel key that signed the year 2099 does not stop updates once it is replaced', () => {
    const { box, draisine, status } = setting();
    changeState(box, () => ({
      serials: { 'n100/stable': { serial: 99, keys: 'SHA256:lost' } },
      signedTime: Date.parse('2099-01-01T00:00:00Z'),
    }));
    assert.match(draisine('check').out, /2026\.1129\.0 follows/);
    assert.equal(status().next?.action, 'stage');
    assert.equal(draisine('stage').code, 0);
  });

  test('a box that is up to date also says that its channel is frozen; health says it as well', () => {
    const { box, web, draisine } = setting({}, { channel: { version: OLD } });
    assert.doesNotMatch(draisine('check').out, /expired/);
    assert.doesNotMatch(draisine('health').out, /channel/);
    box.setClock('2026-12-06T00:00:00Z');
    assert.match(
      draisine('check').out,
      /2026\.1101\.0 is the release .*, but the channel file expired at 2026-12-05/,
    );
    web.down = 6;
    draisine('check');
    assert.match(
      draisine('health').out,
      /no new release can come: the channel file expired .*cannot be resolved/,
    );
  });

  test('a file that is not the one that was signed; a bad disk', () => {
    const { box, web, draisine } = setting();
    web.put(
      `n100/releases/${NEXT}/uki.efi`,
      new Uint8Array(web.files.get(`n100/releases/${NEXT}/uki.efi`)!.length),
    );
    assert.match(draisine('stage').err, /uki\.efi is not the one that 2026\.1129\.0 names/);
    assert.deepEqual(ukis(box), [`draisine_${OLD}.efi`]);
    web.put(`n100/releases/${NEXT}/usr.img`, new Uint8Array(16_384));
    assert.match(draisine('stage').err, /usr\.img is not the one that 2026\.1129\.0 names \(https:/);
    assert.doesNotMatch(box.journal('error').join(), /the disk is bad/);
    web.put(`n100/releases/${NEXT}/usr.img`, new Uint8Array(16_385));
    assert.match(draisine('stage').err, /has 16385 bytes, but its release says 16384/);
    assert.equal(readState(box).staged, undefined);
    publish(box, web);
    const verify = box.programs.get('veritysetup')!;
    box.program('veritysetup', () => ({ code: 1 }));
    assert.match(draisine('stage').err, /returns other data than was written to it/);
    box.program('veritysetup', verify);
    assert.equal(draisine('stage').code, 0);
  });

  test('why also shows the requirements of a release, and they end by themselves', () => {
    const { box, world, draisine, status } = setting(
      {},
      { release: { zfs: { version: '2.4.1', features: ['lz4_compress'] } } },
    );
    box.put({ '/proc/spl/kstat/zfs/x': '' });
    world.pools = { tank: { name: 'tank', state: 'ONLINE', vdevs: {} } };
    box.program('zpool', ([, verb]) =>
      verb === 'get' ? 'feature@draid\tactive\n' : JSON.stringify({ pools: world.pools }),
    );
    assert.match(draisine('check').out, /cannot read these pools: tank: draid/);
    assert.deepEqual(
      status().next?.waits.map(({ kind }) => kind),
      ['features'],
    );
    assert.match(
      draisine('why').out,
      /cannot read these pools: tank: draid\. It ends when: the channel names a release that can/,
    );
    world.pools = {};
    assert.equal(status().next?.action, 'stage');
  });

  test('withdrawn after it was staged: out of the boot menu', () => {
    const { box, web, draisine, world } = setting({ mode: 'stage' });
    draisine('update');
    const withdrawn = [{ version: NEXT, reason: 'eats data', since: '2026-11-29T12:00:00Z' }];
    publish(box, web, { channel: { serial: 6, withdrawn } });
    box.advance(5 * 3_600_000);
    draisine('update');
    assert.deepEqual(ukis(box), [`draisine_${OLD}.efi`]);
    assert.equal(readState(box).staged, undefined);
    assert.equal(world.reboots, 0);
    assert.match(draisine('stage', NEXT).err, /was withdrawn: eats data/);
    assert.match(draisine('status').out, /slot b +2026\.1129\.0, not in the boot menu/);
  });

  test('the second of two simultaneous calls is an error', () => {
    const { box, draisine } = setting();
    box.program('mkdir', () => ({ code: 1 }));
    box.put({ '/run/draisine/update.lock/owner': '77', '/proc/77': '' });
    assert.match(draisine('stage').err, /another update is running/);
    const timer = draisine('update');
    assert.deepEqual([timer.code, box.journal('error').length], [0, 1], 'the timer comes again');
    assert.match(timer.err, /another update is running/);
    assert.equal(draisine('update', '--base', 'file:///stick').code, 1, 'a stick does not');
  });

  test('a failure to stage is in status and why, and is not repeated at each run of the timer', () => {
    const { box, web, draisine } = setting();
    web.put(`n100/releases/${NEXT}/usr.img`, new Uint8Array(16_385));
    draisine('update');
    assert.match(
      draisine('status').out,
      /checked .*, failed: 2026\.1129\.0 was not staged: usr\.img has 16385/,
    );
    assert.match(draisine('why').out, /The last check failed: 2026\.1129\.0 was not staged: usr\.img/);
    const before = web.asked.length;
    box.advance(25 * 60_000);
    draisine('update');
    assert.equal(web.asked.length, before);
    box.advance(10 * 60_000);
    draisine('update');
    assert.ok(web.asked.length > before);
  });

  test('staged, and it cannot be recorded: out of the boot menu again', () => {
    const { box, draisine } = setting();
    let full = false;
    box.fails = (call, what) => {
      if (call === 'write' && what.includes('EFI/Linux')) full = true;
      return full && call === 'write' && what.startsWith('/var/') ? 'ENOSPC' : undefined;
    };
    assert.match(draisine('stage').err, /ENOSPC/);
    assert.deepEqual(ukis(box), [`draisine_${OLD}.efi`]);
    assert.equal(readState(box).staged, undefined);
  });

  test('no base, a live system, a damaged policy: status shows the reason', () => {
    const { box, draisine, status } = setting();
    box.put({ [POLICY]: '{"mode": "later"}' });
    assert.match(status().updates.reason ?? '', /mode must be one of/);
    assert.match(draisine('stage').err, /mode must be one of/);
    box.put({ [POLICY]: '{}' });
    assert.match(draisine('why').out, /no source of updates is named/);
    assert.equal(draisine('update').code, 0);
    box.remove('/run/draisine/boot-disk/9');
    box.nodes.delete('/run/draisine/boot-disk');
    assert.match(status().updates.reason ?? '', /a live system is not updated|was not booted from a disk/);
  });
});

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

test('a commit that could not be recorded is recorded by the timer, without a restart', () => {
  const { box, world, draisine } = setting();
  draisine('update');
  bootInto(box, 'next');
  runningClock(box);
  box.fails = (call, what) =>
    call === 'write' && what.startsWith('/var/') && ukis(box).includes(`draisine_${NEXT}.efi`)
      ? 'ENOSPC'
      : undefined;
  assert.equal(draisine('boot').code, 1);
  box.fails = () => undefined;
  const { reboots } = world;
  draisine('update');
  assert.equal(world.reboots, reboots);
  assert.deepEqual([readState(box).staged, readState(box).lastTrial?.text], [undefined, 'committed']);
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

test('nothing to commit', () => {
  const { draisine } = setting();
  assert.match(draisine('commit').err, /no release is on trial/);
});

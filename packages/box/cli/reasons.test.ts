import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NEXT } from '../disk/testing.ts';
import { POLICY } from '../settings/update.ts';
import { OLD, ukis } from '../trial/testing.ts';
import { BUILT_IN_ROOT } from '../trust/trust.ts';
import { changeState, readState } from '../update/state.ts';
import { publish, setting } from './testing.ts';

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

  test('a hold does not wait until a release is staged, and keeps the box from restarting into it', () => {
    const { box, web, draisine, world } = setting();
    box.put({ [`/proc/${box.processId()}/stat`]: '' }); // the process that stages lives
    const seen: number[] = [];
    web.during = (url) => {
      if (url.endsWith('uki.efi'))
        seen.push(draisine('hold', 'film').code, draisine('release-hold', 'x').code);
    };
    draisine('update');
    assert.deepEqual(seen, [0, 1]);
    assert.deepEqual(
      readState(box).holds.map(({ name }) => name),
      ['film'],
    );
    assert.equal(readState(box).staged?.version, NEXT);
    assert.equal(world.reboots, 0);
    assert.equal(draisine('release-hold', 'film').code, 0);
    draisine('update');
    assert.equal(world.reboots, 1);
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

  test('a publisher whose clock is years ahead does not stop updates, if a time server has set the clock', () => {
    const later = { issued: '2036-11-28T12:00:00Z', expires: '2036-12-05T12:00:00Z' };
    const { box, web, draisine } = setting({}, { channel: later });
    box.put({ '/run/systemd/timesync/synchronized': '' });
    assert.match(
      draisine('stage').err,
      /was issued at 2036-11-28T12:00:00Z, and it is 2026-11-29T12:00:00Z here/,
    );
    assert.deepEqual([readState(box).serials, readState(box).signedTime], [{}, 0]);
    // Nor does a root, or a time that was accepted before the clock was set.
    publish(box, web);
    const root = box.readText(BUILT_IN_ROOT).replaceAll('2026-11-28', '2036-11-28');
    box.put({ [BUILT_IN_ROOT]: root });
    web.put('root.json', root);
    changeState(box, () => ({ signedTime: Date.parse(later.issued) }));
    assert.equal(draisine('stage').code, 0);
    assert.equal(readState(box).signedTime, Date.parse('2026-11-28T12:00:00Z'));
  });

  test('a clock of 1970 that no time server has set: the signed time counts', () => {
    const { box, draisine } = setting();
    box.setClock('1970-01-01T00:00:10Z');
    assert.equal(draisine('stage').code, 0);
    assert.equal(readState(box).signedTime, Date.parse('2026-11-28T12:00:00Z'));
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
    box.put({ '/run/draisine/update.lock/owner': '77', '/proc/77': '' });
    assert.match(draisine('stage').err, /another update is running/);
    const timer = draisine('update');
    assert.deepEqual([timer.code, box.journal('error').length], [0, 0], 'the timer comes again');
    assert.match(timer.err, /another update is running/);
    assert.equal(draisine('update', '--base', 'file:///stick').code, 75, 'a stick does not');
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

  test('a bad disk is written less and less often, and is a condition of health; draisine stage does not wait', () => {
    const { box, draisine, status } = setting();
    let attempts = 0;
    box.program('veritysetup', () => {
      attempts++;
      return { code: 1 };
    });
    const during = (hours: number) => {
      attempts = 0;
      for (let run = 0; run < 2 * hours; run++) {
        draisine('update');
        box.advance(30 * 60_000);
      }
      return attempts / 2; // by ranges, then all of it
    };
    assert.equal(during(0.5), 1);
    assert.doesNotMatch(draisine('health').out, /could not be staged/);
    assert.ok(during(24) <= 6);
    assert.ok(during(48) <= 3);
    assert.match(
      draisine('health').out,
      /2026\.1129\.0 could not be staged, \d times: \/dev\/vda returns other data/,
    );
    assert.deepEqual(
      status().next?.waits.map(({ kind }) => kind),
      ['retry'],
    );
    assert.match(draisine('why').out, /could not be staged \(\d times\): .*It ends when: the next attempt/);
    attempts = 0;
    assert.match(draisine('stage').err, /the disk is bad/);
    assert.equal(attempts, 2);
    box.setClock('2026-11-29T12:00:00Z');
    assert.equal(during(0.5), 1, 'a clock that was set back does not make the pause longer');
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

  test('a later release cannot replace a staged one: the staged one does not start without its record', () => {
    const { box, web, draisine } = setting({ mode: 'stage' });
    draisine('update');
    const later = '2026.1130.0';
    const usr = { data: 8192, hash: 4096, hashOffset: 12_288 };
    publish(box, web, { channel: { version: later, serial: 6 }, release: { version: later, usr } });
    web.put(`n100/releases/${later}/release.json`, web.files.get(`n100/releases/${NEXT}/release.json`)!);
    assert.match(draisine('stage').err, /2026\.1130\.0 does not fit into slot b/);
    assert.deepEqual([readState(box).staged, ukis(box)], [undefined, [`draisine_${OLD}.efi`]]);
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

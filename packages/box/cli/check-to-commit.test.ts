import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NEXT } from '../disk/testing.ts';
import { isoTime } from '../io/fields.ts';
import { bootInto, OLD, runningClock, ukis } from '../trial/testing.ts';
import { atBoot } from '../trial/trial.ts';
import { readState } from '../update/state.ts';
import { setting } from './testing.ts';

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

  test('not while a change of the machine waits for confirmation', () => {
    const { box, world, web, draisine } = setting();
    const until = isoTime(box.now() + 120_000);
    const journal = { format: 1, id: 'a', phase: 'unconfirmed', since: until, until, saved: [], absent: [] };
    box.put({ '/var/lib/draisine/config/journal.json': JSON.stringify(journal) });
    assert.equal(draisine('update').code, 0);
    assert.deepEqual([world.reboots, web.asked.length, ukis(box).length], [0, 0, 1]);
    // A change that cannot be reverted does not keep updates away.
    box.advance(121_000);
    draisine('update');
    assert.equal(world.reboots, 1);
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

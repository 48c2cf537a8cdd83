import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NEXT } from '../disk/testing.ts';
import { changeState, readState } from '../update/state.ts';
import { BASELINE, lookAtBox, readBaseline, writeBaseline } from './baseline.ts';
import { bootInto, OLD, runningClock, stageNext, trial, ukis } from './testing.ts';
import { atBoot } from './trial.ts';
import { AFTER } from './verdict.ts';

test('a server is down during a whole trial: a second trial later, and then the rejection is final', () => {
  const { box, world } = trial();
  world.answering.clear();
  atBoot(box, () => {});
  assert.equal(world.reboots, 1);
  const [first] = readState(box).rejected;
  assert.match(first?.reason ?? '', /^10\.0\.2\.2 cannot be reached; the cause may be outside of this box/);
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

test('a router restarts during a trial, and its answers to DHCP are missing: a second trial', () => {
  const { box, world } = trial();
  world.routes = [];
  world.answering.clear();
  atBoot(box, () => {});
  assert.match(
    readState(box).rejected[0]?.reason ?? '',
    /default route IPv4 by eth0 is gone; 10\.0\.2\.2 cannot/,
  );
  assert.ok(readState(box).rejected[0]?.again !== undefined);
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

test('a rejected release that runs again, because there is no other, is not compared with itself', () => {
  const { box, world } = trial();
  const esp = '/run/draisine/mounts/vda1.42/EFI/Linux';
  box.remove(`${esp}/draisine_${OLD}.efi`);
  world.mounts.delete('/data');
  atBoot(box, () => {});
  bootInto(box, 'next');
  runningClock(box);
  atBoot(box, () => {});
  assert.deepEqual(ukis(box), [`draisine_${NEXT}.efi`]);
  assert.equal(readState(box).lastTrial?.text, 'rejected: /data is not mounted');
  assert.equal(box.stat(AFTER), undefined);
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

test('the power fails after a commit, before it is recorded: the next boot records it, and removes what was kept', () => {
  for (const cut of [/baseline/, /state\.json/]) {
    const { box } = trial();
    box.put({ '/.etc-trial/usrhash': 'x' });
    box.fails = (call, what) => (call !== 'read' && cut.test(what) ? 'EIO' : undefined);
    atBoot(box, () => {});
    assert.equal(readState(box).staged?.version, NEXT);
    box.fails = () => undefined;
    bootInto(box, 'next');
    atBoot(box, () => {});
    assert.deepEqual(ukis(box), [`draisine_${OLD}.efi`, `draisine_${NEXT}.efi`]);
    assert.deepEqual([readState(box).staged, readState(box).floor], [undefined, NEXT]);
    assert.deepEqual([box.stat('/.etc-trial'), box.stat(BASELINE)], [undefined, undefined]);
  }
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

test('a record of the last rejection that is torn or odd is ignored, and the state of updates stays', () => {
  const odd = [
    ...['', '{"version":"2026.11', 'null', '[]', '{}', '{"version":"2026.1129.0"}'],
    '{"version":"2026.1129.0","faults":"/data is not mounted"}',
    '{"version":"2026.1129.0","faults":[null]}',
    // A state with such a version could not be read any more.
    '{"version":"x","faults":["10.0.2.2 cannot be reached"]}',
  ];
  for (const text of odd) {
    const { box, world } = trial();
    changeState(box, () => ({ staged: undefined, floor: OLD }));
    world.answering.clear();
    box.put({ [AFTER]: text });
    bootInto(box, 'old');
    runningClock(box);
    box.rename(`/run/draisine/mounts/vda1.42/EFI/Linux/draisine_${NEXT}+3.efi`, '/gone');
    atBoot(box, () => {});
    assert.deepEqual([box.stat(AFTER), box.stat(BASELINE)], [undefined, undefined], text);
    assert.equal(readState(box).floor, OLD, text);
    assert.match(box.journal('warning').at(-1) ?? '', /the record of the last rejection is ignored/, text);
  }
});

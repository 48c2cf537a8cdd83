import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RESERVE } from '../free/reserve.ts';
import { BoxError } from '../io/box.ts';
import type { FakeBox } from '../io/fake.ts';
import { conditionsOf } from '../notify/conditions.ts';
import { apply, confirm } from './engine.ts';
import { CURRENT, readJournal } from './journal.ts';
import { applyMain } from './main.ts';
import { revert, revertPatiently } from './revert.ts';
import { configOf, healthy, type Parts, provisioned } from './testing.ts';

const options = (parts: Parts) => ({
  ...{ config: configOf(parts), confirmSeconds: 120, keepTheirs: [], takeMine: [] },
});
const A = { '/etc/a.conf': 'one\n' };
const NEXT = { files: { '/etc/a.conf': 'two\n' } };
const PROBLEM = '/run/draisine/problems/apply';

/** A machine with an unconfirmed change, on which tar does not restore the backup. */
function stuck() {
  const box = provisioned({ files: A });
  box.put({ '/proc/uptime': '60 1\n' });
  const { id } = apply(box, healthy, options(NEXT));
  const tar = box.programs.get('tar');
  box.program('tar', () => ({ code: 2, stderr: 'tar: /etc: Cannot open: No space left on device' }));
  const repair = () => box.programs.set('tar', tar!);
  return { box, id, repair };
}

const disarmed = (box: FakeBox, id: string): boolean =>
  box.ran.some((argv) => argv.join(' ') === `systemctl stop draisine-apply-revert-${id}.timer`);

test('a revert that fails is tried five times, and then the owner hears what to do', () => {
  const { box, id, repair } = stuck();
  assert.throws(() => revertPatiently(box), /backup cannot be put back/);
  const tries = box.journal('error').filter((line) => /the change cannot be reverted/.test(line));
  assert.equal(tries.length, 5);
  const told = conditionsOf(box).find(({ name }) => name === 'problem apply');
  assert.match(
    told?.text ?? '',
    /not confirmed, and cannot be reverted: .*No space left.*draisine apply --revert/,
  );
  assert.ok(!disarmed(box, id), 'the timer for the revert is stopped after success only');
  assert.ok(readJournal(box), 'so a restart reverts it');
  repair();
  assert.equal(revert(box), true);
  assert.equal(box.readText('/etc/a.conf'), 'one\n');
  assert.equal(box.stat(PROBLEM), undefined);
  assert.ok(disarmed(box, id));
});

test('the revert of the timer waits for an apply that goes on, and is not started again after it gave up', () => {
  const { box, repair } = stuck();
  repair();
  box.put({ '/run/draisine/apply.lock/owner': '77', '/proc/77': '' });
  let waited = 0;
  box.sleep = () => {
    if (++waited === 30) box.nodes.delete('/proc/77');
  };
  assert.equal(
    applyMain(box, { print() {}, complain() {}, ask: () => undefined }, healthy, ['--revert', '--patient']),
    0,
  );
  assert.equal(waited, 30);
  assert.equal(box.readText('/etc/a.conf'), 'one\n');
  const armed = box.ran.find(([program]) => program === 'systemd-run') ?? [];
  assert.ok(armed.includes('--patient') && armed.includes('--property=Restart=on-abnormal'));
});

test('on a full partition, the reserve makes room for a revert', () => {
  const { box, repair } = stuck();
  const full = box.programs.get('tar')!;
  repair();
  const tar = box.programs.get('tar')!;
  box.program('tar', (...call) => (box.stat(RESERVE) === undefined ? tar(...call) : full(...call)));
  box.put({ [RESERVE]: 'x' });
  revert(box);
  assert.equal(box.readText('/etc/a.conf'), 'one\n');
});

test('half of a revert is never confirmed', () => {
  const { box, id } = stuck();
  assert.throws(() => revert(box));
  assert.throws(() => confirm(box, id), /the machine went back, or is going back/);
  assert.ok(readJournal(box));
});

test('a change that breaks the machine and cannot be reverted at once: the timer stays, and both reasons are told', () => {
  const box = provisioned({ files: A });
  box.program('systemctl', (argv) => (argv[1] === 'start' ? { code: 1, stderr: 'no such program' } : ''));
  const tar = box.programs.get('tar')!;
  box.program('tar', (argv, ...rest) =>
    argv.includes('--extract') ? { code: 2, stderr: 'No space left' } : tar(argv, ...rest),
  );
  const broken = { ...NEXT, units: { 'b.service': { contents: 'x', enabled: true } } };
  assert.throws(
    () => apply(box, healthy, options(broken)),
    /start of b\.service failed.*cannot be reverted now.*No space left/,
  );
  assert.ok(!box.ran.some((argv) => argv.includes('stop') && argv.at(-1)?.endsWith('.timer')));
});

test('files come back although nobody can tell which units they belong to', () => {
  const { box, repair } = stuck();
  repair();
  box.put({ '/var/lib/draisine/config/next.json': '{' });
  revert(box);
  assert.equal(box.readText('/etc/a.conf'), 'one\n');
  assert.match(box.journal('error').join(), /the files are restored, but no unit is restarted/);
});

test('a second confirmation of one apply succeeds, also after a power cut in the first one', () => {
  const box = provisioned({ files: A });
  const { id } = apply(box, healthy, options(NEXT));
  confirm(box, id);
  confirm(box, id);
  assert.throws(() => confirm(box, `${id}1`), /no apply .* waits for confirmation/);
  box.advance(60_000);
  const again = apply(box, healthy, options({ files: A }));
  confirm(box, id);
  assert.equal(readJournal(box)?.phase, 'unconfirmed', 'the other one still waits');
  // Power fails right after the journal was renamed.
  box.fails = (call, what) =>
    call === 'run' && what.includes('systemctl stop') ? 'power is cut' : undefined;
  assert.throws(() => confirm(box, again.id));
  box.fails = () => undefined;
  box.nodes.delete('/run/draisine/apply.lock/owner');
  box.nodes.delete('/run/draisine/apply.lock');
  confirm(box, again.id);
  assert.equal(box.readText(CURRENT), configOf({ files: A }));
});

test('what cannot be confirmed stays armed', () => {
  const box = provisioned({ files: A });
  const { id } = apply(box, healthy, options(NEXT));
  box.fails = (call, what) => (call === 'write' && what.includes('committed') ? 'EIO' : undefined);
  assert.throws(() => confirm(box, id));
  assert.ok(!disarmed(box, id));
});

test('a look at the machine that fails after a change reverts it at once', () => {
  const box = provisioned({ files: A });
  const lost = () => {
    throw new BoxError('cannot list containers');
  };
  const { result, troubles } = apply(box, { ...healthy, lost }, options(NEXT));
  assert.equal(result, 'went back');
  assert.deepEqual(troubles, ['cannot list containers']);
  assert.equal(box.readText('/etc/a.conf'), 'one\n');
});

test('digests of a change that was reverted do not count: its files are not changed by hand', () => {
  const parts = (which: string): Parts => ({
    storage: {
      files: [{ path: '/etc/fetched', mode: 0o644, contents: { source: `https://a.example/${which}` } }],
    },
  });
  const box = provisioned(parts('one'));
  box.put({ '/etc/fetched': 'https://a.example/one' });
  box.program('curl', (argv) => {
    box.put({ [argv[argv.indexOf('--output') + 1] ?? '']: argv.at(-1) ?? '' });
    return '';
  });
  apply(box, healthy, options(parts('two')));
  revert(box);
  assert.equal(box.readText('/etc/fetched'), 'https://a.example/one');
  const { plan, id } = apply(box, healthy, options(parts('two')));
  assert.deepEqual(plan.drift, []);
  assert.deepEqual(
    box.list('/run/draisine').filter((name) => name === 'apply'),
    [],
    'what was fetched takes no memory',
  );
  confirm(box, id);
  assert.equal(apply(box, healthy, options(parts('two'))).result, 'nothing to do');
});

test('half of a backup takes no room', () => {
  const box = provisioned({ files: A });
  box.program('tar', (argv) => {
    box.put({ [argv[argv.indexOf('-f') + 1] ?? '']: 'half' });
    return { code: 2, stderr: 'No space left on device' };
  });
  assert.throws(() => apply(box, healthy, options(NEXT)), /the backup cannot be made/);
  assert.ok(!box.list('/var/lib/draisine/config').some((name) => name.includes('tar')));
});

test('after a revert, the units run that ran before: also those that failed, or that need one that failed', () => {
  const box = provisioned({ files: A });
  const states = new Map<string, string>([
    ['failed.service', 'active'],
    ['needs-it.service', 'active'],
    ['fine.service', 'active'],
    ['off.service', 'inactive'],
  ]);
  box.program('systemctl', (argv) => {
    const names = argv.slice(argv.indexOf('--') + 1);
    if (argv[1] === 'start') for (const name of names) states.set(name, 'active');
    if (argv[1] !== 'show') return '';
    return names.map((name) => `Id=${name}\nActiveState=${states.get(name)}`).join('\n\n');
  });
  const running = [...states.keys()].filter((name) => states.get(name) === 'active');
  apply(box, { ...healthy, running: () => running }, options(NEXT));
  states.set('failed.service', 'failed').set('needs-it.service', 'inactive');
  revert(box);
  assert.deepEqual(Object.fromEntries(states), {
    ...Object.fromEntries(running.map((name) => [name, 'active'])),
    'off.service': 'inactive',
  });
});

test('a revert leaves alone what was changed by hand before the apply', () => {
  const units = { 'a.service': { contents: 'x', enabled: true } };
  const box = provisioned({ files: A, units });
  box.put({ '/etc/systemd/system/a.service': 'by hand' });
  apply(box, healthy, options({ ...NEXT, units }));
  revert(box);
  assert.deepEqual(
    box.ran.filter((argv) => argv.includes('a.service')),
    [],
  );
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { draisineMain } from '../cli/main.ts';
import { fakeTerminal } from '../install/testing.ts';
import { FakeBox } from '../io/fake.ts';
import { conditionsOf } from '../notify/conditions.ts';
import { readReplication } from '../settings/replicate.ts';
import { checkToken, faultOf, nextStep, ownOf, sendWords, targetLeftovers } from './decide.ts';
import { replicate } from './run.ts';
import { readReplicationState } from './state.ts';
import { NAS, TwoMachines } from './testing.ts';

const { name: _name, ...DOCUMENT } = NAS;

function machines() {
  const box = new FakeBox('2026-11-29T12:00:00Z');
  box.put({ '/etc/draisine/replicate/data.json': JSON.stringify(DOCUMENT), '/proc/uptime': '60 1\n' });
  const world = new TwoMachines(box);
  /** A day passes, and the timer elapses. */
  const run = () => {
    box.advance(86_400_000);
    return replicate(box, readReplication(box, 'data'));
  };
  const names = (list: readonly { readonly name: string }[]) =>
    list.map(({ name }) => name.split(/[@#]/)[1] ?? '');
  return { box, world, run, names };
}

const tag = (day: string) => `replicate-data-2026${day}T120000Z`;

/** Whatever happened: nothing was forced, and nothing was removed that others made. */
function checkManners(box: FakeBox): void {
  for (const argv of box.ran) {
    const words = argv.join(' ').replaceAll("'", '');
    assert.doesNotMatch(words, /receive.* -F| rollback | -R /);
    for (const [, removed = ''] of words.matchAll(/zfs destroy (\S+)/g))
      assert.match(removed, /[@#]replicate-data-\d{8}T\d{6}Z$/);
  }
}

describe('a replication', () => {
  test('sends everything first, then changes; the newest snapshot stays here, and a number of them there', () => {
    const { box, world, run, names } = machines();
    run();
    run();
    assert.deepEqual(world.sent, [
      `-L -e -c tank/data@${tag('1130')}`,
      `-L -e -c -i tank/data@${tag('1130')} tank/data@${tag('1201')}`,
    ]);
    for (let day = 0; day < 4; day++) run();
    assert.deepEqual(names(world.target().snapshots), ['1203', '1204', '1205'].map(tag));
    assert.deepEqual(names(world.source.snapshots), [tag('1205')]);
    assert.deepEqual(names(world.source.bookmarks), ['1203', '1204', '1205'].map(tag));
    assert.deepEqual([...world.holds], [`tank/data@${tag('1205')}`]);
    assert.equal(readReplicationState(box, 'data').failure, undefined);
    checkManners(box);
  });

  test('is no failure where the target keeps more snapshots than were asked for', () => {
    const { box, world, run, names } = machines();
    world.floor = 4;
    for (let day = 0; day < 6; day++) run();
    const there = ['1202', '1203', '1204', '1205'].map(tag);
    assert.deepEqual(names(world.target().snapshots), there);
    assert.deepEqual(names(world.source.bookmarks), there);
    assert.deepEqual(names(world.source.snapshots), [tag('1205')]);
    assert.equal(readReplicationState(box, 'data').failure, undefined);
    checkManners(box);
  });

  test('that keeps one snapshot there leaves none behind here when two are sent in one run', () => {
    const { box, world, run, names } = machines();
    box.put({ '/etc/draisine/replicate/data.json': JSON.stringify({ ...DOCUMENT, keep: 1 }) });
    run();
    world.cuts = 4;
    assert.throws(run);
    run();
    run();
    const [newest = ''] = names(world.target().snapshots);
    assert.match(newest, /20261203/);
    assert.deepEqual(names(world.target().snapshots), [newest]);
    assert.deepEqual(names(world.source.snapshots), [newest]);
    assert.deepEqual([...world.holds], [`tank/data@${newest}`]);
    checkManners(box);
  });

  test('of an encrypted dataset sends it encrypted', () => {
    const { world, run } = machines();
    world.encrypted = true;
    world.cuts = 1;
    run();
    run();
    assert.equal(world.sent.length, 3);
    for (const words of world.sent) assert.match(words, /^(-w|-t) /);
  });

  test('leaves snapshots alone that it did not make, also those with names like its own', () => {
    const { box, world, run, names } = machines();
    const others = [
      'by-hand',
      'auto-daily-20261128T000000Z',
      'replicate-data-mine',
      'replicate-data2-20200101T000000Z',
    ];
    for (const other of others) world.add(world.source, `tank/data@${other}`);
    for (let day = 0; day < 6; day++) run();
    assert.deepEqual(names(world.source.snapshots), [...others, tag('1205')]);
    checkManners(box);
  });
});

describe('a connection that is cut', () => {
  test('is tried again, and resumes', () => {
    const { box, world, run, names } = machines();
    world.cuts = 2;
    run();
    assert.deepEqual(
      world.sent.map((words) => words.split(' ')[0]),
      ['-L', '-t', '-t'],
    );
    assert.deepEqual(names(world.target().snapshots), [tag('1130')]);
    assert.match(box.journal('warning').join(), /connection was cut.*trying again in 30 seconds/);
  });

  test('again and again fails the run, is reported once with its reason, and the next run resumes', () => {
    const { box, world, run } = machines();
    world.cuts = 4;
    assert.throws(run, /cannot send tank\/data: the target cannot be reached, or the connection was cut/);
    assert.equal(world.source.snapshots.length, 1, 'no second one is made for what waits');
    box.program(
      'systemctl',
      () => 'replicate-data.service loaded failed failed x\nother.service loaded failed\n',
    );
    const told = conditionsOf(box).filter(({ severity }) => severity === 'error');
    assert.deepEqual(
      told.map(({ name }) => name),
      ['unit other.service', 'replication data'],
    );
    assert.match(told[1]?.text ?? '', /tank\/data is not sent to other\.example: .*it has never succeeded/);
    run();
    assert.equal(world.sent[4], `-t 1-${world.target().snapshots[0]?.guid}`);
    assert.equal(world.target().snapshots.length, 2, 'what was cut, and what is new since');
    assert.equal(
      conditionsOf(box).some(({ name }) => name === 'replication data'),
      false,
    );
  });

  test('before anything was sent makes no snapshot', () => {
    const { world, run } = machines();
    world.ssh = { code: 255, stderr: 'ssh: connect to host other.example port 22: Connection refused' };
    assert.throws(run, /cannot read the state of tank\/backup\/data: the target cannot be reached/);
    assert.deepEqual(world.source.snapshots, []);
  });

  test('drops a partial transfer whose snapshot is gone, and starts again', () => {
    const { box, world, run, names } = machines();
    run();
    world.cuts = 4;
    assert.throws(run);
    world.source.snapshots = world.source.snapshots.filter(({ name }) => !name.includes('1201'));
    run();
    assert.deepEqual(
      names(world.target().snapshots).map((name) => name.slice(0, 23)),
      ['replicate-data-20261130', 'replicate-data-20261202'],
    );
    assert.match(box.journal('warning').join(), /cannot continue \(cannot resume send: .*no longer exists\)/);
    checkManners(box);
  });
});

describe('data that has arrived', () => {
  /** The target answers until the snapshot is there. */
  function arrives(answer: { code: number; stderr: string }) {
    const made = machines();
    made.run();
    const ssh = made.box.programs.get('ssh')!;
    made.box.program('ssh', (argv, options, self) =>
      made.world.there.get('tank/backup/data')!.snapshots.length > 3 && argv.includes('destroy')
        ? answer
        : ssh(argv, options, self),
    );
    for (let day = 0; day < 3; day++) made.run();
    return { ...made, repair: () => made.box.programs.set('ssh', ssh) };
  }

  test('is a success although the connection is cut while old snapshots are removed', () => {
    const { box } = arrives({ code: 255, stderr: 'Connection reset by peer' });
    const { success, failure } = readReplicationState(box, 'data');
    assert.match(success?.snapshot ?? '', /20261203/);
    assert.equal(failure, undefined);
    assert.deepEqual(
      conditionsOf(box).filter(({ source }) => source === 'replications'),
      [],
    );
    assert.match(box.journal('warning').join(), /old snapshots stay until the next run/);
  });

  test('is a success where old snapshots cannot be removed, which the owner hears until they can', () => {
    const { box, run, repair } = arrives({ code: 1, stderr: 'cannot destroy x: dataset is busy' });
    const told = () => conditionsOf(box).filter(({ source }) => source === 'replications');
    assert.equal(told()[0]?.severity, 'warning');
    assert.match(
      told()[0]?.text ?? '',
      /tank\/data is at other\.example, but old snapshots cannot be removed: .*busy/,
    );
    repair();
    run();
    assert.deepEqual(told(), []);
  });
});

test('a partial transfer stays there if this machine cannot read its token now', () => {
  const { box, world, run } = machines();
  run();
  world.cuts = 4;
  assert.throws(run);
  const zfs = box.programs.get('zfs')!;
  for (const answer of [
    { code: 124 },
    { code: 1, stderr: 'internal error: out of memory' },
    { code: 1, stderr: "cannot resume send: unable to access 'tank/data@x'" },
  ]) {
    box.program('zfs', (argv, options, self) => (argv.includes('-n') ? answer : zfs(argv, options, self)));
    assert.throws(run, /the interrupted transfer cannot be looked at/);
  }
  box.programs.set('zfs', zfs);
  run();
  assert.equal(world.sent.at(-2)?.split(' ')[0], '-t');
});

test('a config that cannot be read is reported, and hides no other replication', () => {
  const { box, world, run } = machines();
  world.ssh = { code: 255, stderr: 'Connection refused' };
  assert.throws(run);
  box.put({ '/etc/draisine/replicate/bad.json': '{', '/proc/uptime': '99999 1\n' });
  box.program('systemctl', () => '');
  const texts = conditionsOf(box).map(({ text }) => text);
  assert.ok(texts.some((text) => /^replication bad cannot run: /.test(text)));
  assert.ok(texts.some((text) => /^tank\/data is not sent/.test(text)));
  assert.ok(texts.some((text) => /^transfers of tank\/data.*their timer does not run/.test(text)));
});

test('a failure is told although it cannot be recorded', () => {
  const { box, world, run } = machines();
  world.ssh = { code: 255, stderr: 'Connection refused' };
  box.fails = (call, what) => (call === 'write' && what.startsWith('/var/') ? 'ENOSPC' : undefined);
  assert.throws(run, /the target cannot be reached/);
});

describe('answers of the target are checked', () => {
  const token = (toname: string, more = '') =>
    `resume token contents:\n\tobject = 0x2\n\ttoname = ${toname}\n${more}`;
  const source = { dataset: 'tank/data', encrypted: false, snapshots: [], bookmarks: [] };

  test('a token of another dataset, or of one that is encrypted here, sends nothing', () => {
    const own = `tank/data@${tag('1130')}`;
    assert.equal(checkToken(token(own), source, 'data'), own);
    for (const other of [
      'tank/secret@x',
      `tank/data/below@${tag('1130')}`,
      'tank/data@by-hand',
      `tank/data@${tag('1130')}x`,
      '',
    ])
      assert.throws(
        () => checkToken(token(other), source, 'data'),
        /does not belong to this replication/,
        other,
      );
    const encrypted = { ...source, encrypted: true };
    assert.throws(() => checkToken(token(own), encrypted, 'data'), /unencrypted/);
    assert.equal(checkToken(token(own, '\trawok = 1\n'), encrypted, 'data'), own);
    const { world, run } = machines();
    world.cuts = 4;
    assert.throws(run);
    world.token = token('tank/secret@x');
    assert.throws(run, /the target is receiving tank\/secret@x/);
    assert.equal(world.sent.filter((words) => words.startsWith('-t')).length, 3, 'those of the first run');
  });

  test('a token that is an option, or several words', () => {
    const { world, run, box } = machines();
    world.ssh = { stdout: '-F tank/secret\n' };
    assert.throws(run, /malformed resume token/);
    assert.deepEqual(world.sent, []);
    checkManners(box);
  });
});

describe('a target that was changed', () => {
  test('is never overwritten: snapshots of its own, nothing in common, a dataset that was there before', () => {
    const { box, world, run } = machines();
    run();
    world.add(world.target(), 'tank/backup/data@by-hand');
    assert.throws(run, /snapshots that this machine does not have, such as tank\/backup\/data@by-hand/);
    world.target().snapshots = [];
    assert.throws(run, /exists at the target, and no replication made it/);
    world.add(world.target(), 'tank/backup/data@other');
    assert.throws(run, /have no snapshot in common/);
    world.target().snapshots = [world.source.snapshots[0]!];
    world.modified = true;
    assert.throws(run, /the dataset at the target has changed since the last transfer.*modified/);
    checkManners(box);
  });

  test('that is full is reported, and keeps its data', () => {
    const { box, world, run } = machines();
    run();
    world.full = true;
    assert.throws(run, (error: Error & { hint?: string }) => {
      assert.match(
        error.message,
        /cannot send tank\/data: the target is full \(cannot receive: out of space\)/,
      );
      assert.match(error.hint ?? '', /make room there/);
      return true;
    });
    assert.equal(box.journal('warning').length, 0, 'it is not tried again at once');
    world.full = false;
    run();
    assert.equal(world.sent[2]?.split(' ')[0], '-t');
    assert.equal(world.target().snapshots.length, 3);
  });

  test('that was lost gets everything again', () => {
    const { world, run, names } = machines();
    run();
    run();
    world.there.clear();
    run();
    assert.deepEqual(names(world.target().snapshots), [tag('1201'), tag('1202')]);
  });
});

describe('at the source', () => {
  test('the bookmark of a destroyed base replaces it', () => {
    const { world, run } = machines();
    run();
    world.source.snapshots = [];
    run();
    assert.equal(world.sent[1], `-L -e -c -i tank/data#${tag('1130')} tank/data@${tag('1201')}`);
    world.source.snapshots = [];
    world.source.bookmarks = [];
    assert.throws(run, /have no snapshot in common/);
  });

  test('snapshots that were not sent stay, and are sent in order', () => {
    const { world, run, names, box } = machines();
    run();
    for (const day of ['1201', '1202']) world.add(world.source, `tank/data@${tag(day)}`);
    box.advance(2 * 86_400_000);
    run();
    assert.deepEqual(names(world.target().snapshots).slice(-3), ['1201', '1202', '1203'].map(tag));
  });

  test('after a power cut at any call, the next run succeeds, and no unsent snapshot is lost', () => {
    let cuts = 0;
    for (let cut = 1; ; cut++) {
      const { box, world, run } = machines();
      run();
      run();
      let calls = 0;
      box.fails = () => (++calls === cut ? 'power is cut' : undefined);
      const made = new Set<string>();
      let done = false;
      try {
        run();
        done = true;
      } catch (error) {
        assert.ok(error instanceof Error);
      }
      for (const { guid } of world.source.snapshots) made.add(guid);
      box.fails = () => undefined;
      box.nodes.delete('/run/draisine/replicate-data.lock/owner');
      run();
      const there = new Set(world.target().snapshots.map(({ guid }) => guid));
      for (const guid of made) assert.ok(there.has(guid), `cut at call ${cut}`);
      checkManners(box);
      cuts++;
      if (done) break;
    }
    assert.ok(cuts > 15, `${cuts} calls`);
  });

  test('the second of two simultaneous runs is refused', () => {
    const { box, run } = machines();
    box.put({ '/run/draisine/replicate-data.lock/owner': '77', '/proc/77': '' });
    assert.throws(run, /replication data is running already/);
  });
});

test('reasons of failures as text', () => {
  const what = (code: number, said: string) => faultOf(code, said)?.what;
  assert.match(what(255, 'Host key verification failed.') ?? '', /host key of the target is not the one/);
  assert.match(what(255, 'backup@x: Permission denied (publickey).') ?? '', /does not accept the key/);
  assert.match(what(1, 'not allowed here: zfs destroy x') ?? '', /lacks permission/);
  assert.match(what(1, 'cannot receive: destination tank/a space quota exceeded') ?? '', /is full/);
  assert.equal(faultOf(255, 'Connection timed out')?.link, true);
  assert.equal(what(1, 'something else'), undefined);
});

test('decisions that the tests above do not reach', () => {
  const source = { dataset: 'a/b', encrypted: true, snapshots: [], bookmarks: [] };
  const nothing = { dataset: 'c/d', exists: false, snapshots: [], token: undefined };
  assert.deepEqual(nextStep(source, nothing, 'x', false), { do: 'snapshot' });
  const point = { name: 'a/b@replicate-x-20261129T120000Z', guid: '1', createtxg: 1 };
  const known = { ...source, snapshots: [point] };
  const there = { ...nothing, exists: true, snapshots: [point] };
  assert.deepEqual(nextStep(known, there, 'x', true), { do: 'done' });
  assert.deepEqual(nextStep(known, there, 'x', false), { do: 'snapshot' });
  assert.deepEqual(nextStep(known, { ...there, token: '1-a' }, 'x', true), { do: 'resume', token: '1-a' });
  assert.deepEqual(sendWords(source, { snapshot: point, base: undefined }), [
    'zfs',
    'send',
    '-w',
    point.name,
  ]);
  assert.deepEqual(targetLeftovers(there, 'x', 0), [], 'the newest stays whatever is asked for');
  assert.deepEqual(ownOf([point], 'y'), []);
});

test('the verb: its usage, its config, its answer', () => {
  const { box, world } = machines();
  const verb = (...words: string[]) => {
    const terminal = fakeTerminal();
    const code = draisineMain(box, terminal, ['replicate', ...words]);
    return [code, [...terminal.said, ...box.journal()].join('\n')] as const;
  };
  assert.equal(verb()[0], 2);
  assert.match(verb()[1], /one name: data/);
  assert.match(verb('other')[1], /no replication other: there are: data/);
  assert.match(verb('../notify')[1], /no replication \.\.\/notify/);
  const [code, said] = verb('data');
  assert.equal(code, 0);
  assert.match(said, /tank\/data@replicate-data-\S+ is at other\.example, in tank\/backup\/data/);
  const ssh = box.ran.find(([program]) => program === 'ssh')?.join(' ') ?? '';
  for (const option of [
    'StrictHostKeyChecking=yes',
    'GlobalKnownHostsFile=/dev/null',
    '-F none',
    'HostKeyAlias=data',
  ])
    assert.ok(ssh.includes(option), option);
  for (const wrong of [
    { host: '-oProxyCommand=x' },
    { target: 'a;b' },
    { dataset: '-F' },
    { port: 0 },
    { user: '-l' },
  ]) {
    box.put({ '/etc/draisine/replicate/data.json': JSON.stringify({ ...DOCUMENT, ...wrong }) });
    assert.equal(verb('data')[0], 1, JSON.stringify(wrong));
  }
  assert.equal(world.sent.length, 1);
});

test('a timer that fires while the owner sends: an exit code of its own, which is no failure of its unit', () => {
  const { box } = machines();
  box.put({ '/run/draisine/replicate-data.lock/owner': '77', '/proc/77': '' });
  assert.equal(draisineMain(box, fakeTerminal(), ['replicate', 'data']), 75);
  assert.equal(readReplicationState(box, 'data').failure, undefined);
});

test('a record that cannot be read starts over', () => {
  const { box, run } = machines();
  box.put({ '/var/lib/draisine/replicate/data.json': '{"format":7' });
  assert.equal(readReplicationState(box, 'data').success, undefined);
  run();
  assert.match(readReplicationState(box, 'data').success?.snapshot ?? '', /^tank\/data@/);
});

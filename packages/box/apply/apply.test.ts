import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FakeBox } from '../io/fake.ts';
import { newHomePaths } from './accounts.ts';
import { apply, confirm, type Health, prepare } from './engine.ts';
import { CURRENT, readJournal } from './journal.ts';
import { applyMain } from './main.ts';
import type { AccountStep } from './plan.ts';
import { revert } from './revert.ts';
import { planDocument } from './show.ts';
import { configOf, healthy, type Parts, provisioned, unitCalls } from './testing.ts';

const options = (parts: Parts, more: object = {}) => ({
  ...{ config: configOf(parts), confirmSeconds: 120, keepTheirs: [], takeMine: [] },
  ...more,
});

/** Files of /etc with their texts, without the preset file. */
function files(box: FakeBox): Record<string, string> {
  const paths = [...box.nodes].filter(([path, node]) => path.startsWith('/etc/') && node.type === 'file');
  return Object.fromEntries(paths.map(([path]) => [path, box.readText(path)] as const).sort());
}

const A = { '/etc/a.conf': 'one\n' };

describe('the changes of a config', () => {
  test('is written, and the units that it belongs to restart, no others', () => {
    const unit = (text: string) => ({ contents: `[Service]\nExecStart=/bin/${text}\n`, enabled: true });
    const box = provisioned({ files: A, units: { 'a.service': unit('a'), 'b.service': unit('b') } });
    const next = {
      files: { ...A, '/etc/new/b.conf': 'two\n' },
      units: { 'a.service': unit('c'), 'b.service': unit('b') },
    };
    const { result, id } = apply(box, healthy, options(next));
    assert.equal(result, 'waits for confirmation');
    assert.equal(box.readText('/etc/new/b.conf'), 'two\n');
    assert.deepEqual(unitCalls(box), ['try-restart a.service']);
    confirm(box, id);
    assert.equal(box.readText(CURRENT), configOf(next));
    assert.equal(apply(box, healthy, options(next)).result, 'nothing to do');
  });

  test('a removed unit is stopped before its file is removed; the release’s file comes back', () => {
    const box = provisioned({
      files: { '/etc/nftables.conf': 'mine' },
      units: { 'a.service': { contents: 'x', enabled: true } },
    });
    box.put({ '/usr/share/draisine/etc/nftables.conf': 'theirs' });
    let there = 0;
    box.program('systemctl', (argv) => {
      if (argv.includes('stop') && argv.includes('a.service') && box.lstat('/etc/systemd/system/a.service'))
        there += 1;
      return '';
    });
    const { id } = apply(box, healthy, options({}));
    assert.equal(there, 1, 'its ExecStop= is known when it stops');
    assert.equal(box.readText('/etc/nftables.conf'), 'theirs');
    assert.equal(box.lstat('/etc/systemd/system/a.service'), undefined);
    assert.deepEqual(unitCalls(box), [
      'stop a.service',
      'disable a.service',
      'reload-or-restart nftables.service',
      'reset-failed a.service',
    ]);
    confirm(box, id);

    // The revert does the same.
    apply(box, healthy, options({ units: { 'b.service': { contents: 'x', enabled: true } } }));
    there = 0;
    box.program('systemctl', (argv) => {
      if (argv.includes('stop') && argv.includes('b.service') && box.lstat('/etc/systemd/system/b.service'))
        there += 1;
      return '';
    });
    revert(box);
    assert.equal(there, 1);
    assert.equal(box.lstat('/etc/systemd/system/b.service'), undefined);
  });

  test('contents of another URL are fetched, and packed contents that changed are unpacked', () => {
    const file = (path: string, contents: object) => ({ path, mode: 0o644, contents });
    const parts = (which: string): Parts => ({
      storage: {
        files: [
          file('/etc/fetched', { source: `https://a.example/${which}` }),
          file('/etc/packed', { source: `data:,${which}`, compression: 'gzip' }),
        ],
      },
    });
    const box = provisioned(parts('one'));
    box.put({ '/etc/fetched': 'https://a.example/one', '/etc/packed': 'one, unpacked' });
    box.program('curl', (argv) => {
      box.put({ [argv[argv.indexOf('--output') + 1] ?? '']: argv.at(-1) ?? '' });
      return '';
    });
    box.program('gzip', (argv) => `${box.readText(argv.at(-1) ?? '')}, unpacked`);
    for (const which of ['one', 'two', 'three']) {
      const { id, result } = apply(box, healthy, options(parts(which)));
      if (which !== 'one') confirm(box, id);
      assert.equal(result, which === 'one' ? 'nothing to do' : 'waits for confirmation');
      assert.equal(box.readText('/etc/fetched'), `https://a.example/${which}`);
      assert.equal(box.readText('/etc/packed'), `${which}, unpacked`);
      assert.equal(apply(box, healthy, options(parts(which))).result, 'nothing to do');
    }
  });

  test('systemd reads its units again once, and only if something that it reads has changed', () => {
    const reloads = (before: Parts, after: Parts): readonly string[][] => {
      const box = provisioned(before);
      apply(box, healthy, options(after));
      return box.ran
        .filter((argv) => argv.includes('daemon-reload') || argv.includes('enable'))
        .map((argv) => [...argv]);
    };
    const unit = { contents: '[Install]\nWantedBy=multi-user.target\n', enabled: true };
    assert.deepEqual(reloads({}, { units: { 'a.service': unit } }), [
      ['systemctl', 'enable', '--no-reload', '--', 'a.service'],
      ['systemctl', 'daemon-reload'],
    ]);
    const reload = ['systemctl', 'daemon-reload'];
    assert.deepEqual(reloads({}, { files: { '/etc/containers/systemd/a.container': 'x' } }), [reload]);
    assert.deepEqual(reloads({ files: { '/opt/own.service.d/1.conf': 'x' } }, {}), [reload]);
    assert.deepEqual(reloads({}, { files: { '/etc/hosts': 'x', '/etc/systemd.conf': 'x' } }), []);
  });

  test('containers: a quadlet is the unit of its name; its secrets and environment restart it', () => {
    const quadlet = '/etc/containers/systemd/web.container';
    const box = provisioned({ files: { [quadlet]: 'a', '/etc/draisine/environment/web': 'A=1' } });
    apply(
      box,
      healthy,
      options({
        files: {
          [quadlet]: 'a',
          '/etc/draisine/environment/web': 'A=2',
          '/etc/containers/systemd/db.container': '[Install]\nWantedBy=multi-user.target\n',
        },
      }),
    );
    assert.deepEqual(unitCalls(box), ['try-restart web.service', 'start db.service']);
  });

  test('the first notifications start the timer that a boot without them has left out', () => {
    const box = provisioned({});
    apply(box, healthy, options({ files: { '/etc/draisine/notify.json': '{}' } }));
    assert.deepEqual(unitCalls(box), ['start draisine-watch.timer']);
  });

  test('a container that its device starts is not waited for: its starter runs, if the device is here', () => {
    const box = provisioned({});
    apply(
      box,
      healthy,
      options({
        files: { '/etc/containers/systemd/stick.container': '[Install]\nWantedBy=multi-user.target\n' },
        units: {
          'draisine-plugged-stick.service': { contents: '[Install]\nWantedBy=dev-a.device\n', enabled: true },
        },
      }),
    );
    assert.deepEqual(
      unitCalls(box).filter((call) => call.startsWith('start ')),
      ['start draisine-plugged-stick.service'],
    );
  });

  test('is a plan without a change; a secret is its digest', () => {
    const box = provisioned({ files: A });
    box.program('diff', () => ({ code: 1, stdout: '-one\n+two\n' }));
    const secret = [{ path: '/etc/key', mode: 0o600, contents: { source: 'data:,hunter2' } }];
    const config = options({ files: { '/etc/a.conf': 'two\n' }, storage: {} });
    const { plan } = prepare(box, {
      ...config,
      config: config.config.replace('"files":[', `"files":[${JSON.stringify(secret[0])},`),
    });
    const document = planDocument(box, plan);
    assert.deepEqual(document.changes, ['+ /etc/key', '~ /etc/a.conf']);
    assert.match(document.diffs['/etc/key'] ?? '', /^secret: none → [0-9a-f]{12}$/);
    assert.doesNotMatch(JSON.stringify(document), /hunter2/);
    assert.deepEqual(files(box)['/etc/a.conf'], 'one\n');
  });
});

test('the text of a file that was a secret is not in the plan; two plans at once do not disturb each other', () => {
  const box = provisioned({ files: A });
  box.writeFile('/etc/a.conf', 'hunter2', { mode: 0o600 });
  box.put({ '/etc/b.conf': 'x' });
  let nested = 0;
  const diff = (): object =>
    planDocument(
      box,
      prepare(box, {
        ...options({ files: { '/etc/a.conf': 'a', '/etc/b.conf': 'b' } }),
        takeMine: ['/etc/a.conf'],
      }).plan,
    );
  box.program('diff', (argv) => {
    if (nested++ === 0) diff();
    return { code: 1, stdout: box.readText(argv.at(-1) ?? '') + box.readText(argv.at(-2) ?? '') };
  });
  const text = JSON.stringify(diff());
  assert.ok(nested > 1);
  assert.match(text, /bx/);
  assert.doesNotMatch(text, /hunter2/);
});

test('scripts of new data run in the order in which they need each other', () => {
  const box = provisioned({});
  const paths = ['receivers/backup', 'datasets/tank/a/b', 'datasets/tank/a', 'pools/tank'];
  const files = Object.fromEntries(paths.map((path) => [`/etc/draisine/${path}.sh`, 'x']));
  apply(box, healthy, options({ files }));
  const scripts = box.ran
    .filter(([program]) => program === '/bin/sh')
    .map(([, path = '']) => path.slice(14, -3));
  assert.deepEqual(scripts, ['pools/tank', 'datasets/tank/a', 'datasets/tank/a/b', 'receivers/backup']);
});

describe('units that are not there', () => {
  const gone = (active: boolean) => {
    const box = provisioned({ units: { 'a.service': { contents: 'x' } } });
    box.program('systemctl', ([, verb]) => {
      if (verb === 'is-active') return { code: active ? 0 : 3 };
      return verb === 'stop' || verb === 'try-restart'
        ? { code: 5, stderr: 'Unit a.service not loaded.' }
        : '';
    });
    return box;
  };
  test('are stopped already; only what runs is missed when it cannot be restarted', () => {
    assert.equal(apply(gone(true), healthy, options({})).result, 'waits for confirmation');
    const changed = options({ units: { 'a.service': { contents: 'y' } } });
    assert.equal(apply(gone(false), healthy, changed).result, 'waits for confirmation');
    assert.match(apply(gone(true), healthy, changed).troubles.join(), /restart of a\.service failed/);
  });
});

describe('a revert', () => {
  test('includes the homes that are new, with what is copied into them', () => {
    const box = provisioned({});
    box.put({ '/etc/skel/.profile': '' });
    box.makeFolder('/home/bob');
    const add = (name: string, more: object) =>
      ({ do: 'user-add', user: { name, createHome: true, ...more } }) as unknown as AccountStep;
    const steps = [
      add('ada', {}),
      add('bob', {}),
      add('eve', { home: '/srv/eve' }),
      add('no', { createHome: false }),
    ];
    assert.deepEqual(newHomePaths(box, steps), [
      ...['/home', '/home/ada', '/home/ada/.profile'],
      ...['/srv', '/srv/eve', '/srv/eve/.profile'],
    ]);
  });

  test('happens without a confirmation: everything is as before', () => {
    const box = provisioned({ files: A });
    const before = files(box);
    apply(box, healthy, options({ files: { '/etc/a.conf': 'two\n', '/etc/deep/er/b': 'new' } }));
    assert.notDeepEqual(files(box), before);
    assert.ok(box.ran.some(([name, ...rest]) => name === 'systemd-run' && rest.includes('--on-active=120')));
    assert.equal(revert(box), true);
    assert.deepEqual(files(box), before);
    assert.equal(box.lstat('/etc/deep'), undefined);
    assert.equal(revert(box), false);
    assert.throws(() => confirm(box, '0'), /the machine went back/);
  });

  test('happens at once when a unit does not start, or the machine has lost something', () => {
    for (const [health, why] of [
      [{ ...healthy, lost: () => ['container db is not running any more'] }, /container db/],
      [healthy, /start of b\.service failed: no such program/],
    ] as const) {
      const box = provisioned({ files: A });
      box.program('systemctl', (argv) => (argv[1] === 'start' ? { code: 1, stderr: 'no such program' } : ''));
      if (health !== healthy) box.program('systemctl', () => '');
      const before = files(box);
      const next = {
        files: { '/etc/a.conf': 'two\n' },
        units: { 'b.service': { contents: 'x', enabled: true } },
      };
      const { result, troubles } = apply(box, health as Health, options(next));
      assert.equal(result, 'went back');
      assert.match(troubles.join(), why);
      assert.deepEqual(files(box), before);
      assert.equal(readJournal(box), undefined);
    }
  });

  test('stops its timer; if the timer cannot be started, an apply changes nothing and leaves nothing behind', () => {
    const box = provisioned({ files: A });
    box.program('systemctl', (argv) => (argv[1] === 'start' ? { code: 1 } : ''));
    const broken = { units: { 'b.service': { contents: 'x', enabled: true } } };
    const { id } = apply(box, healthy, options(broken));
    assert.ok(box.ran.some((argv) => argv.join(' ') === `systemctl stop draisine-apply-revert-${id}.timer`));
    box.program('systemd-run', () => ({ code: 1, stderr: 'no bus' }));
    const before = files(box);
    assert.throws(() => apply(box, healthy, options({})), /cannot be started: nothing was changed.*no bus/);
    assert.deepEqual(files(box), before);
    assert.equal(readJournal(box), undefined);
  });

  test('a second apply waits until the first is decided', () => {
    const box = provisioned({ files: A });
    apply(box, healthy, options({ files: { '/etc/a.conf': 'two\n' } }));
    assert.throws(() => apply(box, healthy, options({})), /waits for confirmation/);
  });
});

describe('a change by hand', () => {
  const changed = () => {
    const box = provisioned({ files: { ...A, '/etc/other': 'x' } });
    box.put({ '/etc/a.conf': 'by hand\n' });
    return box;
  };
  test('stops an apply that changes the same file, until a person chooses', () => {
    const next = { files: { '/etc/a.conf': 'two\n', '/etc/other': 'x' } };
    assert.throws(
      () => apply(changed(), healthy, options(next)),
      /changed by hand on the machine.*\/etc\/a\.conf/,
    );
    const theirs = changed();
    apply(theirs, healthy, options(next, { keepTheirs: ['/etc/a.conf'] }));
    assert.equal(theirs.readText('/etc/a.conf'), 'by hand\n');
    const mine = changed();
    apply(mine, healthy, options(next, { takeMine: ['/etc/a.conf'] }));
    assert.equal(mine.readText('/etc/a.conf'), 'two\n');
  });
  test('is reported and left alone by an apply of other changes', () => {
    const box = changed();
    const { plan } = apply(box, healthy, options({ files: { ...A, '/etc/other': 'y' } }));
    assert.deepEqual(plan.drift, [
      { path: '/etc/a.conf', what: 'the file is not as it was', conflict: false },
    ]);
    assert.equal(box.readText('/etc/a.conf'), 'by hand\n');
  });
});

test('a file without contents in the config keeps those that it has, as on a first boot', () => {
  const bare = (mode?: number): Parts => ({ storage: { files: [{ path: '/etc/hosts', mode }] } });
  const box = provisioned({});
  box.put({ '/etc/hosts': 'mine' });
  for (const mode of [0o600, 0o644]) {
    const { id, plan } = apply(box, healthy, options(bare(mode)));
    assert.deepEqual(plan.drift, []);
    assert.deepEqual([box.readText('/etc/hosts'), box.stat('/etc/hosts')?.mode], ['mine', mode]);
    confirm(box, id);
    assert.equal(apply(box, healthy, options(bare(mode))).result, 'nothing to do');
  }
  box.writeFile('/etc/hosts', 'x', { mode: 0o600 });
  assert.equal(apply(box, healthy, options(bare())).result, 'nothing to do', 'it keeps its mode');
  box.put({ '/etc/hosts': 'changed' });
  assert.deepEqual(prepare(box, options(bare())).plan.drift, []);
  const fresh = provisioned({});
  apply(fresh, healthy, options(bare(0o644)));
  assert.equal(fresh.readText('/etc/hosts'), '');
});

test('a hard link is made after its file, and again if the file changes', () => {
  const parts = (text: string): Parts => ({
    storage: {
      files: [{ path: '/etc/deep/er/file', mode: 0o644, contents: { source: `data:,${text}` } }],
      links: [{ path: '/etc/name', target: '/etc/deep/er/file', hard: true }],
    },
  });
  const box = provisioned({});
  box.program('ln', ([, from = '', to = '']) => {
    box.put({ [to]: box.readFile(from) });
    return '';
  });
  for (const text of ['one', 'two']) {
    const { id, result } = apply(box, healthy, options(parts(text)));
    assert.equal(result, 'waits for confirmation');
    confirm(box, id);
    assert.equal(box.readText('/etc/name'), text);
    assert.equal(apply(box, healthy, options(parts(text))).result, 'nothing to do');
  }
});

test('an account that shall not exist is removed if it is there, and never made', () => {
  const none = { users: [{ name: 'ada', shouldExist: false }] };
  const steps = (box: FakeBox) => prepare(box, options(none)).plan.accounts;
  const box = provisioned({});
  assert.deepEqual(steps(box), []);
  box.put({ '/etc/passwd': `${box.readText('/etc/passwd')}ada:x:1001:1001::/home/ada:/bin/sh\n` });
  assert.deepEqual(steps(box), [{ do: 'user-remove', name: 'ada' }]);
  const had = provisioned({ users: [{ name: 'ada', uid: 1001 }] });
  assert.deepEqual(steps(had), [{ do: 'user-remove', name: 'ada' }]);
});

describe('refusals', () => {
  test('disks, file systems and kernel arguments: with a hint', () => {
    const box = provisioned({ storage: { disks: [{ device: '/dev/sda' }] } });
    assert.throws(() => apply(box, healthy, options({})), {
      message: 'storage.disks changes, which only a first boot acts on',
      hint: /draisine reset/,
    });
  });
  test('another layout of a pool', () => {
    const script = (layout: string) => ({
      files: { '/etc/draisine/pools/tank.sh': `# layout: ${layout}\n` },
    });
    const box = provisioned(script('mirror /dev/a /dev/b'));
    assert.throws(
      () => apply(box, healthy, options(script('mirror /dev/a /dev/c'))),
      /layout of pool tank changes/,
    );
  });
  test('the config of another machine, unless it is meant', () => {
    const named = (name: string, pool: string) => ({
      files: { '/etc/hostname': `${name}\n`, [`/etc/draisine/pools/${pool}.sh`]: 'x' },
    });
    const box = provisioned(named('nas', 'tank'));
    assert.throws(
      () => apply(box, healthy, options(named('web', 'fast'))),
      /is of the machine web.*this one is nas/,
    );
    const meant = { takeMine: ['/etc/hostname'] };
    assert.equal(apply(box, healthy, options(named('web', 'fast'), meant)).result, 'waits for confirmation');
  });
  test('another number of an account: its files would keep the old one', () => {
    const box = provisioned({ users: [{ name: 'ada', uid: 1001 }] });
    box.put({ '/etc/passwd': `${box.readText('/etc/passwd')}ada:x:1001:1001::/home/ada:/bin/sh\n` });
    const next = options({ users: [{ name: 'ada', uid: 1002 }] });
    assert.throws(() => apply(box, healthy, next), /number of user ada changes from 1001 to 1002/);
  });
  test('a folder with something in it, where the config has a file', () => {
    const box = provisioned({});
    box.put({ '/etc/dir/mine': 'x' });
    const { result, troubles } = apply(box, healthy, options({ files: { '/etc/dir': 'x' } }));
    assert.equal(result, 'went back');
    assert.match(
      troubles.join(),
      /a folder with something in it is where the config has a file \(\/etc\/dir\)/,
    );
    assert.equal(box.readText('/etc/dir/mine'), 'x');
  });
  test('a machine of a release without apply', () => {
    const box = provisioned({});
    box.remove('/var/lib/draisine/config/provisioned.json');
    assert.throws(() => apply(box, healthy, options({})), /does not know the config it was made with/);
  });
});

test('data is never removed: data without an entry is listed, with the command that would remove it', () => {
  const box = provisioned({
    files: { '/etc/draisine/datasets/tank/a.sh': 'x', '/etc/draisine/pools/tank.sh': 'y' },
  });
  const { plan } = apply(box, healthy, options({}));
  assert.deepEqual(plan.left, [
    { what: 'dataset tank/a', command: 'zfs destroy -r tank/a' },
    { what: 'pool tank', command: 'zpool import tank; zpool destroy tank' },
  ]);
});

test('a key stays as long as its data may be there, and is not replaced by another one', () => {
  const [KEY, OTHER] = ['/etc/draisine/keys/tank/a', '/etc/draisine/keys/tank/ab'];
  const box = provisioned({ files: { [KEY]: 'old', [OTHER]: 'other' } });
  const { plan, id } = apply(box, healthy, options({ files: { [OTHER]: 'other', '/etc/b': 'x' } }));
  confirm(box, id);
  assert.equal(box.readText(KEY), 'old');
  assert.deepEqual(plan.left, [{ what: 'key of tank/a', command: `rm ${KEY}` }]);
  // The dataset comes back, with another key. Or the key of another one changes.
  for (const files of [
    { [KEY]: 'new', [OTHER]: 'other' },
    { [KEY]: 'old', [OTHER]: 'new' },
  ])
    assert.throws(() => apply(box, healthy, options({ files })), /the key of tank\/ab? changes/);
  const of = { takeMine: [KEY] };
  assert.throws(
    () => apply(box, healthy, options({ files: { [OTHER]: 'new' } }, of)),
    /key of tank\/ab changes/,
  );
  // A person has changed it as the hint says.
  box.put({ [OTHER]: 'new' });
  const meant = options({ files: { [OTHER]: 'new' } }, { takeMine: [OTHER] });
  assert.equal(apply(box, healthy, meant).result, 'waits for confirmation');
});

test('a dataset that exists is not encrypted by a key', () => {
  const dataset = { '/etc/draisine/datasets/tank/a.sh': 'x' };
  const key = { '/etc/draisine/keys/tank/a': 'secret' };
  const box = provisioned({ files: dataset });
  const next = { files: { ...dataset, ...key } };
  assert.throws(() => apply(box, healthy, options(next)), /tank\/a gets a key, but encryption begins only/);
  const meant = options(next, { takeMine: Object.keys(key) });
  assert.equal(apply(box, healthy, meant).result, 'waits for confirmation');
  assert.equal(apply(provisioned({}), healthy, options(next)).result, 'waits for confirmation');
});

test('snapshots that a removed transfer holds are listed, and not released', () => {
  const box = provisioned({
    files: { '/etc/draisine/replicate/tank-a.json': '{"format":1,"dataset":"tank/a","to":{}}' },
  });
  const { plan } = apply(box, healthy, options({}));
  const [left] = plan.left;
  assert.equal(
    left?.what,
    'snapshots of tank/a that the transfer tank-a made, and those of them that it holds',
  );
  assert.match(
    left?.command ?? '',
    /-o name tank\/a \| grep @replicate-tank-a- .*zfs release replicate-tank-a /,
  );
  assert.ok(!box.ran.some(([program]) => program === 'zfs'));
});

test('a folder that the config does not name any more, with a file of it inside, is the release’s or root’s again', () => {
  const files = { '/etc/app/x': 'x', '/etc/own/y': 'y', '/srv/data/z': 'z' };
  const paths = ['/etc/app', '/etc/own', '/srv/data', '/etc/empty'];
  const directories = paths.map((path) => ({ path, mode: 0o700 }));
  const box = provisioned({ files, storage: { directories } });
  for (const path of paths) box.makeFolder(path, 0o700);
  for (const path of paths) box.run(['chmod', '700', path]);
  box.makeFolder('/usr/share/draisine/etc/own', 0o750);
  const { id } = apply(box, healthy, options({ files }));
  confirm(box, id);
  assert.deepEqual(
    paths.map((path) => box.lstat(path)?.mode),
    [0o755, 0o750, 0o700, undefined],
  );
  assert.equal(apply(box, healthy, options({ files })).result, 'nothing to do');
});

test('power may fail at any call: the machine is as before or as after, and knows which', () => {
  const before: Parts = {
    files: { ...A, '/etc/gone': 'x' },
    units: { 'a.service': { contents: 'x', enabled: true } },
  };
  const after: Parts = { files: { '/etc/a.conf': 'two\n', '/etc/new/b': 'b' }, units: {} };
  let states = 0;
  for (let cut = 1; ; cut++) {
    const box = provisioned(before);
    const old = files(box);
    let calls = 0;
    box.fails = () => (++calls === cut ? 'power is cut' : undefined);
    let done = false;
    try {
      const { id, result } = apply(box, healthy, options(after));
      if (result === 'waits for confirmation') confirm(box, id);
      done = calls < cut;
    } catch (error) {
      assert.ok(error instanceof Error);
    }
    box.fails = () => undefined;
    // The next boot reverts (apply-recover of the initrd), and then the next command runs.
    box.nodes.delete('/run/draisine/apply.lock/owner');
    revert(box);
    const { plan } = prepare(box, options(after));
    const now = files(box);
    delete now['/etc/systemd/system-preset/20-ignition.preset'];
    const isOld = JSON.stringify(now) === JSON.stringify(old);
    assert.ok(isOld || (plan.nodes.length === 0 && box.readText('/etc/new/b') === 'b'), `cut at call ${cut}`);
    states++;
    if (done) break;
  }
  assert.ok(states > 20, `${states} states`);
});

test('an apply that takes longer than the time until the machine goes back, goes back itself', () => {
  const box = provisioned({ files: A });
  box.program('systemctl', (argv) => {
    if (argv.includes('try-restart')) box.sleep(118_000);
    return '';
  });
  const next = { files: A, units: { 'a.service': { contents: 'x' } } };
  box.put({ '/usr/lib/systemd/system/a.service': 'y' });
  const { result, troubles } = apply(box, healthy, options(next));
  assert.equal(result, 'went back');
  assert.deepEqual(troubles, ['it took longer than the 120 seconds after which the machine goes back']);
  assert.equal(box.lstat('/etc/systemd/system/a.service'), undefined);
});

test('two at once: the second ends with an exit code of its own', () => {
  const box = provisioned({ files: A });
  box.put({ '/run/draisine/apply.lock/owner': '77', '/proc/77': '' });
  const said: string[] = [];
  const terminal = {
    print: () => {},
    complain: (line: string) => void said.push(line),
    ask: () => undefined,
  };
  assert.equal(applyMain(box, terminal, healthy, ['--confirm', 'abc']), 75);
  assert.match(said.join(), /goes back at this very moment/);
});

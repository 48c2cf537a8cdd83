import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BoxError } from '../io/box.ts';
import { FakeBox } from '../io/fake.ts';
import { CONFIG } from '../settings/notify.ts';
import { changeState } from '../update/state.ts';
import type { Condition } from './condition.ts';
import { conditionsOf } from './conditions.ts';
import { compare, type Known, testTargets, watch } from './watch.ts';

const EVERYTHING = {
  targets: [
    { kind: 'ntfy', url: 'https://ntfy.example/box', token: 'hunter2', severity: 'warning' },
    { kind: 'webhook', url: 'https://hook.example', body: '{"m":"{title}: {text}"}', severity: 'error' },
    { kind: 'gotify', url: 'https://gotify.example/', token: 't', severity: 'info' },
    { kind: 'mail', server: 'smtps://mail.example', from: 'a@b', to: 'c@d', user: 'u', password: 'hunter3' },
  ],
};

/** A machine on which units have failed; curl says what it was asked. */
function machine(config: object | undefined = EVERYTHING) {
  const box = new FakeBox();
  const world = { failed: [] as string[], down: false, sent: [] as string[], mails: [] as string[] };
  box.put({ '/etc/hostname': 'nas\n', '/proc/uptime': '1000.0 1\n' });
  box.put({ '/run/systemd/timesync/synchronized': '' });
  if (config) box.put({ [CONFIG]: JSON.stringify(config) });
  box.makeFolder('/run/draisine');
  box.program('systemctl', (argv) => (argv.includes('list-units') ? world.failed.join('\n') : ''));
  box.program('df', () => 'Use% IUse%\n 40%    4%\n');
  box.program('smartctl', () => '{"devices":[]}');
  box.program('curl', (_argv, { stdin }) => {
    if (world.down) return { code: 7, stderr: 'no route to host' };
    world.sent.push(String(stdin));
    const mail = /^upload-file = "(.*)"$/m.exec(String(stdin))?.[1];
    if (mail) world.mails.push(box.readText(mail));
    return '';
  });
  return { box, world };
}

describe('a receiver', () => {
  test('gets one message for a problem, and one when it is over', () => {
    const { box, world } = machine();
    watch(box);
    assert.deepEqual(world.sent, []);
    world.failed = ['a.service loaded failed failed'];
    watch(box);
    watch(box);
    assert.equal(world.sent.length, 4, 'once to each');
    assert.match(world.sent[0] ?? '', /header = "Title: nas"\nheader = "Priority: 5"/);
    assert.match(world.sent[0] ?? '', /data-raw = "a\.service has failed: systemctl status a\.service"/);
    assert.match(world.sent[1] ?? '', /data-raw = "\{\\"m\\":\\"nas: error: a\.service has failed/);
    assert.match(world.sent[2] ?? '', /X-Gotify-Key: t/);
    assert.match(world.sent[3] ?? '', /url = "smtps:\/\/mail\.example"/);
    assert.match(world.mails[0] ?? '', /^From: a@b\r\nTo: c@d\r\nSubject: nas: a\.service has failed/);
    world.failed = [];
    watch(box);
    assert.match(world.sent[4] ?? '', /over: a\.service has failed/);
  });

  test('gets the messages later and in order, each once, if the network is down', () => {
    const { box, world } = machine({ targets: [{ kind: 'ntfy', url: 'https://n.example/x' }] });
    world.down = true;
    world.failed = ['a.service'];
    watch(box);
    world.failed = ['a.service', 'b.service'];
    watch(box);
    assert.deepEqual(world.sent, []);
    world.down = false;
    watch(box);
    watch(box);
    assert.deepEqual(
      world.sent.map((config) => /data-raw = "(\S+)/.exec(config)?.[1]),
      ['a.service', 'b.service'],
    );
  });

  test('gets only messages of its severity or above', () => {
    const { box, world } = machine({
      targets: [{ kind: 'ntfy', url: 'https://n.example/x', severity: 'error' }],
    });
    box.program('df', () => 'Use% IUse%\n 85%    4%\n');
    watch(box);
    assert.deepEqual(world.sent, [], 'a warning');
    box.program('df', () => 'Use% IUse%\n 95%    4%\n');
    watch(box);
    assert.match(world.sent[0] ?? '', /the state partition is 95 % full/);
  });

  test('that has moved has not got the message', () => {
    const { box, world } = machine({ targets: EVERYTHING.targets.slice(0, 3) });
    world.failed = ['a.service'];
    box.program('curl', () => '301');
    watch(box);
    assert.match(
      box.journal('warning').join(),
      /by ntfy at ntfy\.example is kept for later: the server answered 301/,
    );
    assert.match(
      testTargets(box).faults.join(),
      /^ntfy at ntfy\.example: .*,webhook at hook\.example: .*,gotify at gotify\.example: /,
    );
    box.program('curl', (_argv, { stdin }) => {
      world.sent.push(String(stdin));
      return '200';
    });
    watch(box);
    assert.equal(world.sent.length, 3);
  });

  test('by webhook gets one type of content', () => {
    const hook = { kind: 'webhook', url: 'https://hook.example' };
    const { box, world } = machine({ targets: [hook, { ...hook, headers: { 'content-type': 'text/x' } }] });
    world.failed = ['a.service'];
    watch(box);
    assert.deepEqual(
      world.sent.map((config) => config.match(/header = ".*"/gi)),
      [['header = "Content-Type: application/json"'], ['header = "content-type: text/x"']],
    );
  });

  test('by mail gets lines, a date and a subject as mail has them', () => {
    const { box, world } = machine({ targets: EVERYTHING.targets.slice(3) });
    box.put({ '/run/draisine/problems/x': 'Gerät\rBcc: x@y fehlt\nzwei\n' });
    watch(box);
    assert.equal(world.sent.length, 1);
    const [mail = ''] = world.mails;
    assert.doesNotMatch(mail.replaceAll('\r\n', ''), /[\r\n]/);
    const [head = '', body] = mail.split('\r\n\r\n');
    assert.equal(body, 'Gerät\r\nBcc: x@y fehlt\r\nzwei\r\n');
    assert.match(head, /^[\x20-\x7e\r\n]*$/);
    assert.match(head, /\r\nSubject: =\?utf-8\?Q\?=6E=61=73=3A=20=47=65=72=C3=A4=74\?=\r\n/);
    assert.match(head, /\r\nDate: Sun, 29 Nov 2026 12:00:00 \+0000\r\n/);
    assert.match(head, /\r\nMessage-ID: <\d+\.42\.nas@b>\r\n/);
  });

  test('no command line contains secrets', () => {
    const { box, world } = machine({ ...EVERYTHING, heartbeat: 'https://ping.example/hunter4' });
    world.failed = ['a.service'];
    watch(box);
    assert.doesNotMatch(JSON.stringify(box.ran), /hunter/);
    assert.match(world.sent.join(), /hunter2[\s\S]*hunter3[\s\S]*hunter4/);
  });

  test('a state that cannot be read starts over', () => {
    const { box, world } = machine();
    world.failed = ['a.service'];
    watch(box);
    box.put({ '/var/lib/draisine/notify.json': '{"format":9' });
    watch(box);
    assert.equal(world.sent.length, 8);
    assert.match(box.journal('warning').join(), /the state of notifications is lost/);
  });

  test('that never answers takes nothing from another one, and keeps what fits', () => {
    const { box, world } = machine({
      targets: ['https://dead.example', 'https://n.example/x'].map((url) => ({ kind: 'ntfy', url })),
    });
    let dead = true;
    box.program('curl', (_argv, { stdin }) => {
      if (dead && String(stdin).includes('dead.example')) return { code: 7, stderr: 'no route to host' };
      world.sent.push(String(stdin));
      return '';
    });
    for (let number = 0; number < 60; number++) {
      world.failed.push(`${number}.service`);
      watch(box);
    }
    assert.equal(world.sent.length, 60);
    dead = false;
    watch(box);
    watch(box);
    assert.equal(world.sent.length, 60 + 50);
    assert.match(world.sent.at(-2) ?? '', /48\.service/);
    assert.match(world.sent.at(-1) ?? '', /more messages were dropped: see draisine health/);
  });

  test('that is slow gets each message once, although a run must end in its time', () => {
    const { box, world } = machine({ targets: [{ kind: 'ntfy', url: 'https://n.example/x' }] });
    world.down = true;
    for (let number = 0; number < 30; number++) world.failed.push(`${number}.service`);
    watch(box);
    box.program('curl', (_argv, { stdin }) => {
      world.sent.push(String(stdin));
      box.advance(25_000);
      return '';
    });
    for (let run = 0; run < 6; run++) {
      const began = box.monotonic();
      watch(box);
      assert.ok(box.monotonic() - began < 200_000);
    }
    assert.equal(world.sent.length, 30);
    assert.equal(new Set(world.sent.map((config) => /(\d+)\.service/.exec(config)?.[1])).size, 30);
  });

  test('that refuses one message gets the others', () => {
    const { box, world } = machine({ targets: [{ kind: 'ntfy', url: 'https://n.example/x' }] });
    box.program('curl', (_argv, { stdin }) => {
      if (String(stdin).includes('bad.service')) return { code: 22, stderr: 'error: 413' };
      world.sent.push(String(stdin));
      return '';
    });
    for (const unit of ['bad', 'a', 'b']) {
      world.failed.push(`${unit}.service`);
      watch(box);
    }
    assert.equal(world.sent.length, 2);
  });

  test('hears of problems while the state partition is full, once', () => {
    const { box, world } = machine({ targets: [{ kind: 'ntfy', url: 'https://n.example/x' }] });
    const full = () => {
      box.fails = (call, what) => (call === 'write' && what.startsWith('/var/') ? 'ENOSPC' : undefined);
    };
    full();
    world.failed = ['a.service'];
    watch(box);
    watch(box);
    assert.equal(world.sent.length, 1);
    world.failed = ['a.service', 'b.service'];
    box.fails = () => undefined;
    watch(box);
    full();
    watch(box);
    assert.equal(world.sent.length, 2, 'the newer state counts');
  });

  test('a test reports failed receivers; no receiver is an error', () => {
    const { box, world } = machine({ targets: [{ kind: 'ntfy', url: 'https://n.example/x' }] });
    assert.deepEqual(testTargets(box), { sent: 1, faults: [] });
    world.down = true;
    assert.match(testTargets(box).faults.join(), /^ntfy at n\.example: curl ended with 7: no route to host$/);
    assert.throws(() => testTargets(machine(undefined as never).box.put({}) && bare()), BoxError);
  });

  test('a config of another form is named with its place', () => {
    const { box } = machine({ targets: [{ kind: 'ntfy', url: 'ftp://x' }] });
    assert.throws(() => watch(box), /targets\[0\]\.url must be an address that begins with https/);
  });
});

function bare(): FakeBox {
  const { box } = machine();
  box.remove(CONFIG);
  return box;
}

/** Texts of the messages of looks, one after the other. Each look: its conditions, and unanswered questions. */
function toldIn(...looks: readonly (readonly [readonly Condition[], ...string[]])[]): string[][] {
  let known: readonly Known[] = [];
  return looks.map(([conditions, ...unseen]) => {
    const compared = compare(known, { conditions, unseen });
    ({ known } = compared);
    return compared.news.map(({ severity, about, text }) => `${severity}/${about} ${text}`);
  });
}

describe('a condition', () => {
  const bad = { name: 'a', severity: 'error', text: 'bad', source: 'pools' } as const;

  test('that is an event is reported once, without an end', () => {
    const event = { name: 'staged 2', severity: 'info', text: '2 is staged', event: true } as const;
    assert.deepEqual(toldIn([[event]], [[event]], [[]]), [['info/info 2 is staged'], [], []]);
  });

  test('is not over while nobody can answer', () => {
    const disk = { ...bad, source: 'disks /dev/sda' };
    const event = { ...bad, name: 'e', event: true };
    assert.deepEqual(toldIn([[bad]], [[], 'pools'], [[bad]], [[]]), [
      ['error/error bad'],
      [],
      [],
      ['info/error over: bad'],
    ]);
    assert.deepEqual(toldIn([[event]], [[], 'pools'], [[event]]).slice(1), [[], []]);
    assert.deepEqual(
      toldIn([[disk]], [[], 'disks'], [[], 'disks /dev/sda'], [[], 'disks /dev/sd']).slice(1),
      [[], [], ['info/error over: bad']],
    );
  });

  test('that gets worse is reported again, and is not called over', () => {
    const less = { ...bad, severity: 'warning', text: '80 %' } as const;
    assert.deepEqual(toldIn([[less]], [[bad]], [[less]], [[bad]], [[]]), [
      ['warning/warning 80 %'],
      ['error/error bad'],
      [],
      [],
      ['info/error over: bad'],
    ]);
  });

  test('that gets worse again after a calm hour is reported again', () => {
    const mild = { ...bad, severity: 'warning', text: '85 %' } as const;
    const hour = Array.from({ length: 40 }, () => [[mild]] as const);
    assert.deepEqual(toldIn([[bad]], ...hour, [[bad]], [[]]).flat(), [
      'error/error bad',
      'info/error better: 85 %', // also to a receiver that hears only of errors
      'error/error bad',
      'info/error over: bad',
    ]);
    assert.deepEqual(
      toldIn([[bad]], ...hour, [[]])
        .flat()
        .at(-1),
      'info/warning over: 85 %',
    );
  });

  test('that comes and goes is reported twice, and is over when it stays away', () => {
    const flapping = Array.from({ length: 200 }, (_, look) => [look % 3 === 0 ? [bad] : []] as const);
    const quiet = Array.from({ length: 60 }, () => [[]] as const);
    assert.deepEqual(toldIn(...flapping, ...quiet).flat(), [
      'error/error bad',
      'info/error over: bad',
      'error/error bad',
      'info/error over: bad',
    ]);
    assert.deepEqual(toldIn([[bad]], ...quiet, [[bad]], [[]]).flat().length, 4, 'a new one after an hour');
  });
});

describe('messages that wait', () => {
  const a = { kind: 'ntfy', url: 'https://n.example/a' };
  const b = { kind: 'ntfy', url: 'https://n.example/b' };

  test('go to their receiver although its place in the config has changed', () => {
    const { box, world } = machine({ targets: [a, { ...b, severity: 'error' }] });
    world.down = true;
    box.program('df', () => 'Use% IUse%\n 85%    4%\n');
    watch(box);
    assert.match(box.journal('warning').join(), /by ntfy at n\.example \(number 1 of these\) is kept/);
    box.put({ [CONFIG]: JSON.stringify({ targets: [{ ...b, severity: 'error' }, a] }) });
    world.down = false;
    watch(box);
    assert.equal(world.sent.length, 1);
    assert.match(world.sent[0] ?? '', /n\.example\/a"/);
  });

  test('of an older release are sent, too', () => {
    const { box, world } = machine({ targets: [a, b] });
    const queue = [{ severity: 'error', text: 'old', to: [1] }];
    box.put({ '/var/lib/draisine/notify.json': JSON.stringify({ format: 1, known: [], queue }) });
    watch(box);
    assert.equal(world.sent.length, 1);
    assert.match(world.sent[0] ?? '', /n\.example\/b"[\s\S]*"old"/);
  });

  test('tell when their event was, if they are sent late', () => {
    const { box, world } = machine({ targets: [a] });
    world.down = true;
    world.failed = ['a.service'];
    watch(box);
    box.advance(3_600_000);
    world.down = false;
    watch(box);
    assert.match(
      world.sent[0] ?? '',
      /a\.service\\n\(this message is late: it is of 2026-11-29T12:00:00Z\)"/,
    );
  });

  test('and what lasts, are heard by a receiver that replaces one with a wrong address', () => {
    const { box, world } = machine({ targets: [a] });
    world.down = true;
    world.failed = ['a.service'];
    watch(box);
    world.down = false;
    box.put({ [CONFIG]: JSON.stringify({ targets: [b] }) });
    watch(box);
    watch(box);
    assert.equal(world.sent.length, 1);
    assert.match(world.sent[0] ?? '', /n\.example\/b"[\s\S]*a\.service has failed/);
  });
});

test('two mails at once have two files, which are removed', () => {
  const { box, world } = machine({ targets: EVERYTHING.targets.slice(3) });
  const files: string[] = [];
  box.program('curl', (_argv, { stdin }) => {
    files.push(/^upload-file = "(.*)"$/m.exec(String(stdin))?.[1] ?? '');
    if (files.length === 1) testTargets(box); // by the owner, while the timer sends
    return '';
  });
  world.failed = ['a.service'];
  watch(box);
  assert.equal(new Set(files).size, 2);
  assert.deepEqual(
    files.filter((file) => box.stat(file) !== undefined),
    [],
  );
});

test('disks that sleep, and questions that fail, leave known problems as they are', () => {
  const { box, world } = machine({
    targets: [{ kind: 'ntfy', url: 'https://n.example/x', severity: 'error' }],
  });
  const disk = (report: object) =>
    box.program('smartctl', (argv) =>
      JSON.stringify(argv.includes('--scan-open') ? { devices: [{ name: '/dev/sda' }] } : report),
    );
  let uptime = 1000;
  const watchLater = () => {
    uptime += 1800;
    box.put({ '/proc/uptime': `${uptime} 1\n` });
    watch(box);
  };
  disk({ smart_status: { passed: false } });
  watch(box);
  disk({ smartctl: { messages: [{ string: 'Device is in STANDBY mode, exit(2)' }] } });
  watchLater();
  box.program('smartctl', () => ({ code: 124 }));
  watchLater();
  assert.equal(world.sent.length, 1);
  disk({ smart_status: { passed: true } });
  watchLater();
  assert.match(world.sent[1] ?? '', /over: \/dev\/sda/);
  assert.equal(world.sent.length, 2, 'that it could not be asked was a warning, and so is its end');
});

test('disks are asked every half hour: a question every two minutes would keep many of them awake', () => {
  const { box, world } = machine({ targets: [{ kind: 'ntfy', url: 'https://n.example/x' }] });
  let fails = true;
  box.program('smartctl', (argv) => {
    if (!argv.includes('--scan-open')) return JSON.stringify({ smart_status: { passed: false } });
    return fails ? { code: 1 } : JSON.stringify({ devices: [{ name: '/dev/sda' }] });
  });
  const told: string[][] = [];
  for (let uptime = 1000; uptime <= 4600; uptime += 120) {
    box.put({ '/proc/uptime': `${uptime} 1\n` });
    watch(box);
    told.push(world.sent.splice(0));
    fails = false;
  }
  const scans = box.ran.filter((argv) => argv.includes('--scan-open'));
  assert.equal(scans.length, 3);
  assert.match(told.shift()?.join() ?? '', /cannot check disks/);
  assert.match(told[14]?.join() ?? '', /\/dev\/sda reports that it is failing.*over: cannot check disks/s);
  assert.equal(told.flat().length, 2, 'a known problem is not over while disks are not asked');
});

test('a look that finds nothing new writes nothing to the disk', () => {
  const { box } = machine();
  watch(box);
  const written: string[] = [];
  box.fails = (call, what) => {
    if (call === 'write') written.push(what);
    return undefined;
  };
  watch(box);
  assert.deepEqual(written, []);
});

test('pools, problems and restarts have texts', () => {
  const { box } = machine();
  box.put({
    '/run/draisine/problems/pool-tank': 'pool tank: disk /dev/x is missing\n',
    // What consoles show of a staged release is no problem.
    '/run/draisine/problems/update': '2026.1130.0 is staged and runs from the next restart on\n',
  });
  box.program('systemctl', (argv) =>
    argv.includes('list-units')
      ? ''
      : 'Id=web.service\nNRestarts=7\nSubState=auto-restart\n\nId=ok.service\nNRestarts=0\nSubState=running\n',
  );
  const texts = conditionsOf(box).map(({ text }) => text);
  assert.deepEqual(texts, [
    'pool tank: disk /dev/x is missing',
    'web.service restarts again and again: systemctl status web.service',
  ]);
});

test('a rejected release is a problem until a newer one runs', () => {
  const { box } = machine();
  const rejected = [{ version: '2026.1129.0', reason: 'no pool', since: 0, evidence: undefined }];
  changeState(box, () => ({ rejected }));
  const texts = (version: string) => {
    box.put({ '/usr/lib/os-release': `IMAGE_ID=n100\nIMAGE_VERSION=${version}\n` });
    return conditionsOf(box).map(({ text }) => text);
  };
  assert.deepEqual(texts('2026.1128.0'), ['2026.1129.0 was rejected: no pool']);
  assert.deepEqual(texts('2026.1130.0'), []);
  const lastTrial = { version: '2026.1129.0', at: 0, text: 'rejected: no pool' };
  changeState(box, () => ({ lastTrial }));
  assert.deepEqual(texts('2026.1128.0'), ['2026.1129.0 was rejected: no pool'], 'one message');
});

test('a source of updates that has never answered is a problem a day after the start', () => {
  const { box } = machine();
  const texts = (uptime: number) => {
    box.put({ '/proc/uptime': `${uptime} 1\n` });
    return conditionsOf(box).map(({ text }) => text);
  };
  const fails = () =>
    changeState(box, () => ({
      lastCheck: { at: box.now(), result: 'failed', text: 'no such host' },
    }));
  fails();
  assert.deepEqual(texts(90_000), [], 'no updates are wanted');
  box.put({ '/etc/draisine/update.json': JSON.stringify({ base: 'https://wrong.example' }) });
  assert.deepEqual(texts(80_000), []);
  assert.deepEqual(texts(90_000), [
    'no new release can come: its source has never answered: no such host (draisine why)',
  ]);
});

test('a locked dataset is a problem until its key is there', () => {
  const { box } = machine();
  const text =
    "dataset tank/my a is locked and waits for its key: zfs load-key 'tank/my a' && zfs mount -R …";
  box.put({ '/run/draisine/problems/key-tank+my a': `${text}\n` });
  const texts = () => conditionsOf(box).map((one) => one.text);
  box.program('zfs', (argv) => (argv.at(-1) === 'tank/my a' ? 'unavailable\n' : { code: 1 }));
  assert.deepEqual(texts(), [text]);
  box.program('zfs', () => 'available\n');
  assert.deepEqual(texts(), []);
  box.program('zfs', () => ({ code: 124 }));
  assert.deepEqual(texts(), [text]);
});

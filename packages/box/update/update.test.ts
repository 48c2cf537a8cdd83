import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { compareVersions } from '../../../build/release/format/version.ts';
import { FakeBox } from '../io/fake.ts';
import {
  DEFAULT_POLICY,
  type Gate,
  POLICY,
  type Policy,
  parsePolicy,
  readPolicy,
  type UpdateWindow,
} from '../settings/update.ts';
import { channelOf, releaseOf } from '../trust/testing.ts';
import { type Decision, decide, type Situation, targetOf } from './decide.ts';
import { rolloutPlace, takesPartAt } from './rollout.ts';
import { changeState, formatState, NEW_STATE, parseState, readState, STATE, type State } from './state.ts';
import { currentOrNext } from './windows.ts';
import { momentOf, parseZone, type Zone } from './zone.ts';

const NOW = Date.parse('2026-11-29T12:00:00Z');
const HOUR = 3_600_000;
const OLD = '2026.1101.0';
const NEW = '2026.1129.0';
const ZONES = '/usr/share/zoneinfo';
const zoneOf = (name: string): Zone => parseZone(readFileSync(join(ZONES, name)), name);
let berlin: Zone;

before(() => {
  berlin = zoneOf('Europe/Berlin');
});

/** A box that runs OLD, with a channel that names NEW. */
function situation(
  changes: Partial<Omit<Situation, 'policy' | 'state'>> & {
    policy?: Partial<Policy>;
    state?: Partial<State>;
  } = {},
): Situation {
  const { policy, state, ...others } = changes;
  return {
    now: NOW,
    machineId: '0123456789abcdef0123456789abcdef',
    running: OLD,
    zone: () => 0,
    channel: channelOf(),
    ...others,
    policy: { ...DEFAULT_POLICY, ...policy },
    state: { ...NEW_STATE, ...state },
  };
}

/** `stage 2026.1129.0`, or of a wait its kinds: `wait hold rollout`. */
function short(decision: Decision): string {
  if (decision.action === 'wait') return `wait ${decision.waits.map(({ kind }) => kind).join(' ')}`;
  return decision.action === 'none' ? 'none' : `${decision.action} ${decision.version}`;
}
const next = (changes?: Parameters<typeof situation>[0]) => short(decide(situation(changes)));
const staged = {
  version: NEW,
  rootHash: 'ab'.repeat(32),
  from: OLD,
  since: NOW,
  rebooting: false,
  restarts: 1,
};

test('zones: the same as Intl in every year, also by the rule after the last transition', () => {
  const names = [
    'Europe/Berlin',
    'America/New_York',
    'America/St_Johns',
    'Australia/Lord_Howe',
    'Asia/Kolkata',
    'UTC',
    'America/Sao_Paulo',
    'Africa/Casablanca',
    'America/Nuuk',
  ];
  for (const name of names) {
    const zone = zoneOf(name);
    const numeric = 'numeric' as const;
    const format = new Intl.DateTimeFormat('en-US', {
      ...{ timeZone: name, hourCycle: 'h23', year: numeric, month: numeric, day: numeric },
      ...{ hour: numeric, minute: numeric, second: numeric },
    });
    fc.assert(
      fc.property(
        fc.integer({ min: Date.UTC(1975, 0) / 1000, max: Date.UTC(2036, 11) / 1000 }),
        (seconds) => {
          const shown = format.formatToParts(seconds * 1000);
          const part = (type: string) => Number(shown.find((each) => each.type === type)?.value);
          const date = [part('year'), part('month') - 1, part('day')] as const;
          const wall = Date.UTC(...date, part('hour'), part('minute'), part('second'));
          assert.equal(
            zone(seconds),
            wall / 1000 - seconds,
            `${name} ${new Date(seconds * 1000).toISOString()}`,
          );
        },
      ),
    );
  }
  assert.throws(() => parseZone(new Uint8Array(100), 'x'), /not a time zone file/);
  assert.throws(
    () => parseZone(readFileSync(join(ZONES, 'Europe/Berlin')).subarray(0, 700), 'x'),
    /truncated|not a time zone/,
  );
});

test('local times: a skipped time is moved behind the jump, of a repeated time the first counts', () => {
  const at = (wall: string) =>
    new Date(momentOf(berlin, Date.parse(`${wall}Z`) / 1000) * 1000).toISOString().slice(0, 16);
  assert.equal(at('2026-07-01T12:00'), '2026-07-01T10:00');
  assert.equal(at('2026-12-01T12:00'), '2026-12-01T11:00');
  assert.equal(at('2026-03-29T02:30'), '2026-03-29T01:30', 'there is no 02:30 on that day: 03:30');
  assert.equal(at('2026-10-25T02:30'), '2026-10-25T00:30', 'of two the first');
  assert.equal(at('2026-03-29T01:59'), '2026-03-29T00:59');
  assert.equal(at('2026-03-29T03:00'), '2026-03-29T01:00');
});

test('windows: open ones, the next one, over midnight, over the change of the clock', () => {
  const nights = [{ from: '02:00', minutes: 120 }];
  const span = (now: string, windows: readonly UpdateWindow[] = nights) => {
    const found = currentOrNext(windows, berlin, Date.parse(`${now}:00Z`));
    return found && [found.from, found.to].map((each) => new Date(each).toISOString().slice(0, 16)).join(' ');
  };
  assert.equal(span('2026-11-29T12:00'), '2026-11-30T01:00 2026-11-30T03:00');
  assert.equal(span('2026-11-30T01:00'), '2026-11-30T01:00 2026-11-30T03:00');
  assert.equal(span('2026-11-30T02:59'), '2026-11-30T01:00 2026-11-30T03:00');
  assert.equal(span('2026-11-30T03:00'), '2026-12-01T01:00 2026-12-01T03:00');
  assert.equal(
    span('2026-03-28T12:00'),
    '2026-03-29T01:00 2026-03-29T03:00',
    '02:00 is skipped: from 03:00, 120 minutes',
  );
  assert.equal(span('2026-10-24T12:00'), '2026-10-25T00:00 2026-10-25T02:00');
  assert.equal(
    span('2026-11-29T12:00', [{ days: ['sat'], from: '23:00', minutes: 180 }]),
    '2026-12-05T22:00 2026-12-06T01:00',
  );
  assert.equal(
    span('2026-12-06T00:59', [{ days: ['sat'], from: '23:00', minutes: 180 }]),
    '2026-12-05T22:00 2026-12-06T01:00',
  );
  assert.equal(
    span('2026-11-29T12:00', [{ days: ['sun'], from: '00:00', minutes: 7 * 1440 }]),
    '2026-11-28T23:00 2026-12-05T23:00',
  );
  assert.equal(span('2026-11-29T12:00', []), undefined);
});

test('a policy: its fields, defaults for the others, each fault with its place', () => {
  assert.deepEqual(parsePolicy('{}'), DEFAULT_POLICY);
  const gates: Gate[] = [
    { unit: 'web.service' },
    { command: ['/usr/bin/true'] },
    { http: 'http://localhost/', status: 204 },
    { container: 'db' },
    { pool: 'tank' },
  ];
  const full = {
    format: 1,
    base: 'https://updates.example/box/',
    channel: 'beta',
    pin: NEW,
    max: '2027.101.0',
    mode: 'stage',
    wariness: 0.5,
    windows: [{ days: ['sat', 'sun'], from: '02:30', minutes: 90 }],
    zone: 'Europe/Berlin',
    settle: 30,
    deadline: 60,
    gates,
    proxy: 'http://proxy:3128',
    ca: '/etc/ca.pem',
  };
  const { format: _format, ...parsed } = full;
  assert.deepEqual(parsePolicy(JSON.stringify(full)), { ...parsed, base: 'https://updates.example/box' });
  const faults: [object, RegExp][] = [
    [{ base: 'ftp://x' }, /base must be an address/],
    [{ mode: 'manual' }, /mode must be one of auto, stage, notify/],
    [{ pin: '1.2' }, /pin must be a version/],
    [{ windows: [{ from: '25:00', minutes: 1 }] }, /windows\[0\]\.from must be a time such as 02:30/],
    [
      { windows: [{ from: '02:00', minutes: 1, days: ['monday'] }] },
      /windows\[0\]\.days\[0\] must be one of sun/,
    ],
    [{ gates: [{ unit: 'a', pool: 'b' }] }, /gates\[0\] must be one of/],
    [{ gates: [{ container: '--all' }] }, /gates\[0\]\.container must be a name/],
    [{ settle: 100, deadline: 50 }, /deadline must not be before settle/],
    [{ wariness: 2 }, /wariness must be a number from 0 to 1/],
    [{ zone: '../../etc/passwd' }, /zone must be a name/],
    [{ format: 2 }, /has format 2/],
  ];
  for (const [value, message] of faults)
    assert.throws(() => parsePolicy(JSON.stringify(value)), { message, where: POLICY });
  assert.deepEqual(readPolicy(new FakeBox()), DEFAULT_POLICY);
});

test('the documentation names the defaults', () => {
  const page = readFileSync(new URL('../../../docs/updates.md', import.meta.url), 'utf8');
  const { channel, mode, zone, settle, deadline } = DEFAULT_POLICY;
  for (const row of [
    `| \`channel\` | \`${channel}\` |`,
    `| \`mode\` | \`${mode}\` |`,
    `| \`zone\` | \`${zone}\` |`,
    `| \`settle\`, \`deadline\` | ${settle}, ${deadline} |`,
    `\`settle\` (default ${settle / 60} min)`,
    `\`deadline\` (${deadline / 60} min)`,
  ])
    assert.ok(page.includes(row), row);
});

test('a written state reads back the same; a damaged or later one is replaced by a new one', () => {
  const state: State = {
    serials: { 'n100/stable': { serial: 7, keys: 'SHA256:x' } },
    floor: OLD,
    signedTime: NOW,
    staged,
    rejected: [{ version: NEW, reason: 'a unit failed', since: NOW, evidence: '/var/x', again: NOW }],
    unstaged: { version: NEW, reason: 'the disk is bad', at: NOW, times: 2 },
    holds: [
      { name: 'film', reason: 'a film runs', since: NOW, until: NOW + HOUR },
      { name: 'me', reason: 'not now', since: NOW, until: undefined },
    ],
    lastCheck: { at: NOW, result: 'failed', text: 'no network' },
    lastTrial: { version: OLD, at: NOW, text: 'committed' },
  };
  assert.deepEqual(parseState(formatState(state)), state);
  const box = new FakeBox(NOW);
  assert.deepEqual(readState(box), NEW_STATE);
  assert.equal(changeState(box, () => ({ floor: OLD })).floor, OLD);
  assert.equal(changeState(box, ({ floor }) => ({ staged: { ...staged, from: floor! } })).floor, OLD);
  assert.equal(box.stat(STATE)?.mode, 0o600);
  for (const damaged of [
    formatState(state).slice(0, 200),
    '',
    '{"format": 2}',
    formatState(state).replace(NEW, '1'),
  ]) {
    box.put({ [STATE]: damaged });
    assert.deepEqual(readState(box), NEW_STATE);
    assert.match(box.journal('warning').at(-1) ?? '', /so a new one begins/);
  }
});

test('a rollout takes its share, each version other boxes first', () => {
  const ids = Array.from({ length: 8000 }, (_, index) => index.toString(16).padStart(32, '0'));
  const channel = { begins: '2026-11-29T12:00:00Z', hours: 48 };
  for (const share of [0.1, 0.5, 0.9]) {
    const now = NOW + share * 48 * HOUR;
    const in_ = ids.filter((id) => takesPartAt(channel, rolloutPlace(id, NEW))! <= now).length / ids.length;
    assert.ok(Math.abs(in_ - share) < 0.02, `${in_} of ${share}`);
  }
  const first = (version: string) => ids.filter((id) => rolloutPlace(id, version) < 0.1);
  const both = first(NEW).filter((id) => rolloutPlace(id, '2026.1201.0') < 0.1);
  assert.ok(both.length < 0.2 * first(NEW).length);
  assert.equal(takesPartAt(undefined, 0.5), undefined);
});

test('the target: a barrier first, then a pin, then the channel’s release', () => {
  const release = 'cd'.repeat(32);
  const barriers = [
    { version: '2026.1110.0', release },
    { version: '2026.1120.0', release },
  ];
  const target = (running: string, pin?: string, channel = channelOf({ barriers })) =>
    targetOf({ channel, running, policy: { ...DEFAULT_POLICY, pin } })?.version;
  assert.equal(target(OLD), '2026.1110.0');
  assert.equal(target('2026.1110.0'), '2026.1120.0');
  assert.equal(target('2026.1115.0'), '2026.1120.0');
  assert.equal(target('2026.1120.0'), NEW);
  assert.equal(target(NEW), undefined);
  assert.equal(target('2026.1201.0'), undefined, 'never back');
  assert.equal(target(OLD, OLD), undefined);
  assert.equal(target(OLD, '2026.1105.0'), '2026.1105.0', 'a pin that the channel does not name any more');
  assert.equal(target(OLD, '2026.1125.0'), '2026.1110.0', 'barriers on the way to a pin');
  assert.equal(target(OLD, NEW), '2026.1110.0');
  const { version: _version, release: _release, ...none } = channelOf();
  assert.equal(target(OLD, undefined, none), undefined);
});

test('staging: each reason for waiting, and the event that ends it', () => {
  assert.equal(next(), `stage ${NEW}`);
  assert.equal(next({ running: NEW }), 'none');
  assert.equal(next({ policy: { pin: OLD } }), 'none');
  assert.equal(next({ policy: { max: '2026.1115.0' } }), 'wait max');
  assert.equal(next({ state: { floor: '2026.1201.0' } }), 'wait floor');
  const rejected = [{ version: NEW, reason: 'x', since: NOW, evidence: undefined }];
  assert.equal(next({ state: { rejected } }), 'wait rejected');
  assert.equal(next({ state: { rejected }, asked: {} }), 'wait rejected');
  assert.equal(next({ state: { rejected }, asked: { version: NEW } }), `stage ${NEW}`);
  const later = [{ ...rejected[0]!, again: rejected[0]!.since + HOUR }];
  assert.equal(next({ state: { rejected: later }, now: NOW }), 'wait rejected');
  assert.equal(next({ state: { rejected: later }, now: NOW + HOUR }), `stage ${NEW}`, 'a second trial');
  assert.equal(
    next({ state: { rejected: later }, now: NOW - HOUR }),
    `stage ${NEW}`,
    'the clock was set back',
  );
  const withdrawn = [{ version: NEW, reason: 'eats data', since: '2026-11-29T12:00:00Z' }];
  assert.equal(next({ channel: channelOf({ withdrawn }) }), 'wait withdrawn');
  assert.equal(next({ channel: channelOf({ withdrawn }), asked: { version: NEW } }), 'wait withdrawn');
  const halted = { reason: 'looking', since: '2026-11-29T12:00:00Z' };
  assert.equal(next({ channel: channelOf({ halted }) }), 'wait halted');
  assert.equal(next({ now: Date.parse('2026-12-06T12:00:01Z') }), 'wait expired');
  assert.equal(next({ policy: { mode: 'notify' } }), 'wait mode');
  assert.equal(next({ policy: { mode: 'notify' }, asked: {} }), `stage ${NEW}`);
  assert.equal(next({ release: releaseOf({ needs: '2026.1115.0' }) }), 'wait needs');
  assert.equal(next({ release: releaseOf({ needs: OLD }) }), `stage ${NEW}`);
  assert.equal(next({ unreadable: ['tank: zstd_compress'] }), 'wait features');
  assert.equal(
    next({ policy: { mode: 'notify' }, channel: channelOf({ halted, withdrawn }) }),
    'wait withdrawn halted mode',
    'all are told',
  );
});

test('holds: until released, until a time', () => {
  const hold = { name: 'film', reason: 'a film runs', since: NOW };
  assert.equal(next({ state: { holds: [{ ...hold, until: undefined }] } }), 'wait hold');
  assert.equal(next({ state: { holds: [{ ...hold, until: NOW + 1 }] } }), 'wait hold');
  assert.equal(next({ state: { holds: [{ ...hold, until: NOW }] } }), `stage ${NEW}`);
  assert.equal(next({ state: { holds: [{ ...hold, until: undefined }] }, asked: {} }), 'wait hold');
  const decision = decide(situation({ state: { holds: [{ ...hold, until: NOW + HOUR }] } }));
  assert.ok(decision.action === 'wait');
  assert.deepEqual(decision.waits[0], {
    kind: 'hold',
    reason: 'updates are held by film: a film runs',
    until: NOW + HOUR,
    end: 'draisine release-hold film or at 2026-11-29T13:00:00Z',
  });
});

test('rollout: by position or wariness; a request by hand does not wait', () => {
  const rollout = { begins: '2026-11-29T12:00:00Z', hours: 10 };
  const channel = channelOf({ rollout });
  assert.equal(next({ channel, policy: { wariness: 0 } }), `stage ${NEW}`);
  assert.equal(next({ channel, policy: { wariness: 0.5 }, now: NOW + 5 * HOUR - 1 }), 'wait rollout');
  assert.equal(next({ channel, policy: { wariness: 0.5 }, now: NOW + 5 * HOUR }), `stage ${NEW}`);
  assert.equal(next({ channel, policy: { wariness: 1 }, asked: {} }), `stage ${NEW}`);
  const place = rolloutPlace(situation().machineId, NEW);
  const decision = decide(situation({ channel }));
  assert.ok(decision.action === 'wait');
  assert.equal(decision.waits[0].until, NOW + place * 10 * HOUR);
});

test('staged: restarts in a window, waits, is replaced by a later release, and is removed if it is withdrawn', () => {
  const state = { staged };
  assert.equal(next({ state }), `reboot ${NEW}`);
  assert.equal(next({ state, policy: { mode: 'stage' } }), 'wait mode');
  assert.equal(next({ state, policy: { mode: 'stage' }, asked: {} }), `reboot ${NEW}`);
  const windows = [{ from: '02:00', minutes: 60 }];
  assert.equal(next({ state, policy: { windows } }), 'wait window');
  assert.equal(
    next({ state, policy: { windows }, now: Date.parse('2026-11-30T02:30:00Z') }),
    `reboot ${NEW}`,
  );
  assert.equal(
    next({ state, policy: { windows }, zone: berlin, now: Date.parse('2026-11-30T02:30:00Z') }),
    'wait window',
  );
  assert.equal(
    next({ state: { ...state, holds: [{ name: 'x', reason: 'y', since: NOW, until: undefined }] } }),
    'wait hold',
  );
  const later = channelOf({ version: '2026.1130.0' });
  assert.equal(next({ state, channel: later }), 'stage 2026.1130.0');
  assert.equal(
    next({ state, channel: { ...later, halted: { reason: 'x', since: later.issued } } }),
    `reboot ${NEW}`,
  );
  const named = '2026.1115.0';
  assert.equal(
    next({ state, policy: { pin: named }, asked: { version: named } }),
    `stage ${named}`,
    'the owner names another one',
  );
  const halted = { reason: 'pools do not come up', since: later.issued };
  assert.equal(next({ state, channel: channelOf({ halted }) }), 'wait halted', 'no further box starts it');
  assert.equal(next({ state, policy: { max: OLD } }), 'wait max', 'the owner changed the policy since');
  assert.equal(next({ state, policy: { pin: OLD } }), 'wait pin');
  assert.equal(next({ state, policy: { pin: NEW, max: NEW } }), `reboot ${NEW}`);
  const withdrawn = [{ version: NEW, reason: 'bad', since: '2026-11-29T12:00:00Z' }];
  assert.equal(next({ state, channel: channelOf({ withdrawn }) }), `unstage ${NEW}`);
  assert.equal(
    next({ state, now: NOW + 30 * 24 * HOUR }),
    `reboot ${NEW}`,
    'what was fresh when it was staged',
  );
});

test('for every channel file: no older, withdrawn or rejected release is taken, and every wait has an end', () => {
  const version = fc.integer({ min: 1, max: 28 }).map((day) => `2026.11${String(day).padStart(2, '0')}.0`);
  const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
  fc.assert(
    fc.property(
      fc.record({
        running: version,
        named: version,
        barriers: fc.uniqueArray(version, { maxLength: 3 }),
        withdrawn: fc.array(version, { maxLength: 3 }),
        rejected: fc.array(version, { maxLength: 3 }),
        pin: maybe(version),
        max: maybe(version),
        floor: maybe(version),
        late: fc.boolean(),
      }),
      ({ running, named, barriers, withdrawn, rejected, pin, max, floor, late }) => {
        const since = '2026-11-29T12:00:00Z';
        const decision = decide(
          situation({
            running,
            now: late ? NOW + 30 * 24 * HOUR : NOW,
            channel: channelOf({
              version: named,
              barriers: barriers.map((each) => ({ version: each, release: 'cd'.repeat(32) })),
              withdrawn: withdrawn.map((each) => ({ version: each, reason: 'x', since })),
            }),
            policy: { pin, max },
            state: {
              floor,
              rejected: rejected.map((each) => ({
                version: each,
                reason: 'x',
                since: NOW,
                evidence: undefined,
              })),
            },
          }),
        );
        if (decision.action === 'wait')
          for (const each of decision.waits) assert.ok(each.end !== '' && each.reason !== '');
        if (decision.action !== 'stage') return;
        assert.ok(compareVersions(decision.version, running) > 0);
        assert.ok(!withdrawn.includes(decision.version) && !rejected.includes(decision.version) && !late);
        for (const limit of [pin, max]) if (limit) assert.ok(compareVersions(decision.version, limit) <= 0);
        if (floor) assert.ok(compareVersions(decision.version, floor) >= 0);
        const passed = barriers.filter(
          (each) => compareVersions(each, running) > 0 && compareVersions(each, decision.version) < 0,
        );
        assert.deepEqual(passed, [], 'no barrier is left out');
      },
    ),
  );
});

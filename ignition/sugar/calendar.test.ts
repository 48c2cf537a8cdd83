import assert from 'node:assert/strict';
import { test } from 'node:test';
import { secret } from '../base/secret.ts';
import { machine } from '../machine.ts';
import { calendarEvent } from './calendar.ts';

/** `systemd-analyze calendar` accepts the first list and refuses the second one. */
const EVENTS = [
  ...[
    'daily',
    'Monthly',
    'quarterly',
    'hourly',
    'yearly',
    'semiannually',
    'daily UTC',
    'Mon',
    'Mon..Fri 2:30',
  ],
  ...['Mon,Fri 03:00', 'sat 03:00', 'Wed, 17:48', '04:00', '4:00', '*:0/15', '*-*-* *:*:00', '2026-01-01'],
  ...['Mon *-*-1..7 05:00', '*-*-01 04:00:00 Europe/Berlin', '*-*~03', '12,14,13,12:20,10,30', '03:00 UTC'],
  ...[
    'Saturday 03:30',
    '01-01',
    '*-02~01 04:00',
    'Mon 2026-01-05',
    'Sun,Mon..Wed *-*-* 01:02:03',
    'Mon  03:00',
  ],
];
const OTHERS = [
  ...['every day', 'Sundays 3:00', '@daily', '0 3 * * *', '3am', 'weekly ', '1m', '', ' ', '24:00', '3:60'],
  ...[
    'daily 03:00',
    'Mon 03:00 04:00',
    '03:00 Mon',
    'Mo 03:00',
    '5',
    'nightly',
    'UTC',
    '03.00',
    'Tues 03:00',
    ' daily',
  ],
];

test('a calendar event of systemd is recognized', () => {
  for (const text of EVENTS) assert.equal(calendarEvent(text, 'x'), text);
  for (const text of OTHERS) assert.throws(() => calendarEvent(text, 'x'), /not a time of systemd/, text);
});

test('a timer that systemd would not load is an error of the config', () => {
  const pools = { tank: { vdevs: [{ disk: '/dev/disk/by-id/a' }] } } as const;
  assert.throws(() => machine({ pools, scrubs: { tank: { schedule: 'every month' } } }), {
    where: 'scrubs.tank.schedule',
  });
  const one = {
    dataset: 'tank',
    to: 'b@box:tank/a',
    hostKey: 'ssh-ed25519 AAAA',
    key: secret({ file: 'key' }),
  } as const;
  assert.throws(() => machine({ pools, replicate: [{ ...one, schedule: 'nightly' }] }), {
    where: 'replicate.tank.schedule',
  });
});

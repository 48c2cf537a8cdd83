import assert from 'node:assert/strict';
import { test } from 'node:test';
import { machine } from '../machine.ts';
import { type SmartOptions, smart } from './smart.ts';
import { textOf } from './testing.ts';

const conf = (options: SmartOptions) => textOf(smart(options), '/etc/smartd.conf');
const timer = (options: SmartOptions, kind: string) => {
  const { units } = smart(options).systemd as { units: { name: string; contents: string }[] };
  return /OnCalendar=(.*)/.exec(
    units.find(({ name }) => name === `smart-nvme-${kind}.timer`)?.contents ?? '',
  )?.[1];
};

test('self-tests of SATA by smartd, of NVMe by timers, at the same times', () => {
  assert.equal(
    conf({}),
    'DEVICESCAN -a -n standby,48,q -s (S/../.././02|L/../../6/03)\n',
    'the image’s own smartd.conf applies',
  );
  const own: SmartOptions = {
    short: { hour: 13, weekday: 'sun' },
    long: { hour: 0, day: 7 },
    temperature: 50,
  };
  assert.equal(conf(own), 'DEVICESCAN -a -n standby,48,q -s (S/../../7/13|L/../07/./00) -W 0,0,50\n');
  assert.deepEqual([timer(own, 'short'), timer(own, 'long')], ['Sun *-*-* 13:00:00', '*-*-07 00:00:00']);
  assert.equal(
    conf({ short: 'never', long: { hour: 4 } }),
    'DEVICESCAN -a -n standby,48,q -s (L/../.././04)\n',
  );
  assert.equal(conf({ short: 'never', long: 'never' }), 'DEVICESCAN -a -n standby,48,q\n');
  assert.deepEqual(smart({ short: 'never', long: 'never' }).systemd, undefined);
});

test('a box that was off at the time of a test of NVMe disks catches up', () => {
  const { units } = smart({}).systemd as { units: { name: string; contents: string }[] };
  const timers = units.filter(({ name }) => name.endsWith('.timer'));
  assert.equal(timers.length, 2);
  assert.match(
    textOf(smart({}), '/etc/draisine/smart/long.sh'),
    /smartctl --test=long --test=force "\$disk"/,
  );
  assert.match(textOf(smart({}), '/etc/draisine/smart/short.sh'), /smartctl --test=short "\$disk"/);
  for (const { contents } of timers) assert.match(contents, /^Persistent=(true|yes)$/m);
});

test('times that do not exist, and misspelt options, are refused', () => {
  for (const [options, message] of [
    [{ short: { hour: 24 } }, /hour must be a whole number from 0 to 23/],
    [{ long: { hour: 1.5 } }, /hour must be/],
    [{ long: { hour: 1, day: 31 } }, /day must be a whole number from 1 to 28/],
    [{ long: { hour: 1, weekday: 'sat', day: 1 } }, /not both/],
    [{ short: { hour: 1, weekday: 'samstag' } }, /not a day of the week/],
    [{ temperature: 500 }, /temperature must be/],
  ] as const)
    assert.throws(() => smart(options as SmartOptions), message);
  assert.throws(() => machine({ smart: { shrt: 'never' } as object }), { where: 'smart' });
  assert.throws(() => machine({ smart: { long: { hour: 1, wekday: 'sat' } as never } }), {
    where: 'smart.long',
  });
});

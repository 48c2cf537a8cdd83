import { DAYS, type Day } from '../../packages/box/settings/update.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { file } from './file.ts';
import { type Fragment, mergeFragments } from './fragment.ts';
import { unit } from './unit.ts';

/** The begin of a self-test, by the machine's clock: each night, on a weekday, or on a day of the month. */
export interface SelfTest {
  /** Hour, 0 – 23. */
  readonly hour: number;
  readonly weekday?: Day;
  /** Day of the month, 1 – 28. */
  readonly day?: number;
}

/** The times of self-tests, and the limit of the temperature. */
export interface SmartOptions {
  /** The short test; default: each night at 2. */
  readonly short?: SelfTest | 'never';
  /** The long test, which reads the whole disk; default: Saturdays at 3. */
  readonly long?: SelfTest | 'never';
  /** Degrees Celsius from which on smartd warns. */
  readonly temperature?: number;
}

const two = (number: number): string => String(number).padStart(2, '0');

function checked(test: SelfTest, where: string): SelfTest {
  const { hour, weekday, day } = test;
  const whole = (value: number, least: number, most: number, what: string): void => {
    if (Number.isInteger(value) && value >= least && value <= most) return;
    throw badInput(`${what} must be a whole number from ${least} to ${most}, not ${value}`, { where });
  };
  whole(hour, 0, 23, 'hour');
  if (day !== undefined) whole(day, 1, 28, 'day');
  if (weekday !== undefined && !DAYS.includes(weekday))
    throw badInput(`not a day of the week: ${JSON.stringify(weekday)}`, { where, hint: DAYS.join(', ') });
  if (weekday !== undefined && day !== undefined)
    throw badInput('a self-test has a weekday or a day of the month, not both', { where });
  return test;
}

/** A time in the form of smartd.conf(5), -s: type, month, day, weekday from Monday on, hour. */
const forSmartd = (letter: 'S' | 'L', { hour, weekday, day }: SelfTest): string =>
  `${letter}/../${day === undefined ? '..' : two(day)}/${weekday === undefined ? '.' : DAYS.indexOf(weekday) || 7}/${two(hour)}`;

/** A time in the form of systemd.time(7). */
const calendar = ({ hour, weekday, day }: SelfTest): string =>
  `${weekday === undefined ? '' : `${weekday[0]?.toUpperCase()}${weekday.slice(1)} `}*-*-${day === undefined ? '*' : two(day)} ${two(hour)}:00:00`;

/**
 * Self-tests of NVMe disks run by smartctl, because smartd of Debian 13 leaves them out. Many of these disks have no
 * self-test, which is not a fault. A long test takes the place of a short one that runs, because a box that was off may
 * catch up with both at once. A short one does not interrupt a long one.
 */
function ofNvme(kind: 'short' | 'long', test: SelfTest): Fragment {
  const script = `/etc/draisine/smart/${kind}.sh`;
  const description = `${kind === 'short' ? 'Short' : 'Long'} self-test of NVMe disks`;
  return mergeFragments(
    file(script, {
      mode: 0o755,
      contents: `for disk in /dev/nvme[0-9] /dev/nvme[0-9][0-9]; do
  [ -c "$disk" ] || continue
  smartctl --test=${kind}${kind === 'long' ? ' --test=force' : ''} "$disk" || echo "<5>$disk began no self-test"
done
`,
    }),
    unit(`smart-nvme-${kind}.service`, {
      contents: {
        Unit: { Description: description },
        Service: { Type: 'oneshot', ExecStart: `/bin/sh ${script}` },
      },
    }),
    unit(`smart-nvme-${kind}.timer`, {
      enabled: true,
      contents: {
        Unit: { Description: description },
        // A box that is off at night catches up, as smartd does.
        Timer: { OnCalendar: calendar(test), Persistent: true },
        Install: { WantedBy: 'timers.target' },
      },
    }),
  );
}

/** Self-tests of disks: /etc/smartd.conf, and timers for NVMe disks (docs/day2.md). */
export function smart({
  short = { hour: 2 },
  long = { hour: 3, weekday: 'sat' },
  temperature,
}: SmartOptions): Fragment {
  if (
    temperature !== undefined &&
    !(Number.isInteger(temperature) && temperature >= 20 && temperature <= 120)
  )
    throw badInput(`temperature must be a whole number from 20 to 120, not ${temperature}`, {
      where: 'smart',
    });
  const tests = [
    ...(short === 'never'
      ? []
      : [{ kind: 'short', letter: 'S', test: checked(short, 'smart.short') } as const]),
    ...(long === 'never' ? [] : [{ kind: 'long', letter: 'L', test: checked(long, 'smart.long') } as const]),
  ];
  const schedule = tests.map(({ letter, test }) => forSmartd(letter, test)).join('|');
  const line = [
    // smartd looks every half hour: it leaves a sleeping disk alone for up to a day.
    'DEVICESCAN -a -n standby,48,q',
    ...(schedule === '' ? [] : [`-s (${schedule})`]),
    ...(temperature === undefined ? [] : [`-W 0,0,${temperature}`]),
  ];
  return mergeFragments(
    file('/etc/smartd.conf', { contents: `${line.join(' ')}\n` }),
    ...tests.map(({ kind, test }) => ofNvme(kind, test)),
  );
}

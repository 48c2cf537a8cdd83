import { badInput } from '../../sdk/lib/errors.ts';

const WORD = '(minute|hour|dai|week|month|quarter|year|(semi-?|bi-?)?annual)ly';
const DAY = '(mon|tue|wed|thu|fri|sat|sun|(mon|tues|wednes|thurs|fri|satur|sun)day)';
const DAYS = `${DAY}((,|\\.\\.|-)${DAY})*,?`;
const NUMBERS = '[0-9*,./]+';
const DATE = `(${NUMBERS}-)?${NUMBERS}[-~]${NUMBERS}|@[0-9]+`;
const TIME = `${NUMBERS}:${NUMBERS}(:${NUMBERS})?`;
const ZONE = '(utc|[a-z][a-z0-9_+-]*(/[a-z0-9_+-]+)+)';

/** The form of a calendar event (systemd.time(7), "Calendar Events"). */
const EVENT = new RegExp(
  `^(${WORD}|(?=\\S)(${DAYS}(?= |$))?( ?(${DATE})(?= |$))?( ?(${TIME})(?= |$))?)( ${ZONE})?$`,
  'i',
);

/**
 * Refuses a text that is not a calendar event: systemd would not load the timer, and what it starts would never happen.
 */
export function calendarEvent(text: string, where: string): string {
  const [, hour = '0', minute = '0'] = /(?:^| )([0-9]+):([0-9]+)/.exec(text) ?? [];
  if (EVENT.test(text.replace(/ +/g, ' ')) && Number(hour) < 24 && Number(minute) < 60) return text;
  throw badInput(`not a time of systemd: ${JSON.stringify(text.slice(0, 80))}`, {
    where,
    hint: "write daily, weekly, monthly, '03:30' or 'Sat 03:30' (systemd.time(7))",
  });
}

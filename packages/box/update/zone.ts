import { BoxError } from '../io/box.ts';

/** Offset from UTC in seconds, at a time in seconds since 1970. */
export type Zone = (seconds: number) => number;

/*
 * Time zones from the files of tzdata (RFC 8536), because QuickJS has no Intl. Version 2 or later; its footer
 * has the rule for the time after the last transition.
 */

interface Reader {
  readonly view: DataView;
  at: number;
}

interface Header {
  readonly version: number;
  readonly counts: readonly number[];
}

function readHeader(reader: Reader, name: string): Header {
  const { view } = reader;
  if (view.byteLength < reader.at + 44 || view.getUint32(reader.at) !== 0x545a6966)
    throw new BoxError('not a time zone file (RFC 8536)', { where: name });
  const version = view.getUint8(reader.at + 4);
  const counts = [0, 1, 2, 3, 4, 5].map((index) => view.getUint32(reader.at + 20 + 4 * index));
  reader.at += 44;
  return { version, counts };
}

/** Bytes of the data after a header, with times of `width` bytes. */
function dataSize({ counts }: Header, width: number): number {
  const [isUtc = 0, isStandard = 0, leaps = 0, times = 0, types = 0, characters = 0] = counts;
  return times * (width + 1) + types * 6 + characters + leaps * (width + 4) + isStandard + isUtc;
}

/** Parses the bytes of a zone's file. `name`: for errors. */
export function parseZone(bytes: Uint8Array, name: string): Zone {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const reader: Reader = { view, at: 0 };
  const first = readHeader(reader, name);
  if (first.version < 0x32) throw new BoxError('a time zone file of version 1', { where: name });
  reader.at += dataSize(first, 4);
  const header = readHeader(reader, name);
  const [, , , times = 0, types = 0] = header.counts;
  const start = reader.at;
  const end = start + dataSize(header, 8);
  if (end > bytes.length || types === 0) throw new BoxError('a truncated time zone file', { where: name });
  const transitions = Array.from({ length: times }, (_, index) =>
    Number(view.getBigInt64(start + 8 * index)),
  );
  const offsets = Array.from({ length: types }, (_, index) => view.getInt32(start + 9 * times + 6 * index));
  const typeOf = (index: number) => offsets[view.getUint8(start + 8 * times + index)] ?? 0;
  const footer = String.fromCharCode(...bytes.subarray(end + 1, bytes.length - 1));
  const rule = footer === '' ? undefined : parseRule(footer, name);
  return (seconds) => {
    const last = transitions.at(-1);
    if (rule && (last === undefined || seconds >= last)) return rule(seconds);
    let [low, high] = [0, transitions.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (transitions[middle]! <= seconds) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? offsets[0]! : typeOf(low - 1);
  };
}

const NAME = '(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]+>)';
const CLOCK = '([+-]?\\d{1,3}(?::\\d\\d(?::\\d\\d)?)?)';
const DATE = '(M\\d{1,2}\\.\\d\\.\\d|J?\\d{1,3})';
const RULE = new RegExp(`^${NAME}${CLOCK}(?:${NAME}${CLOCK}?,${DATE}(?:/${CLOCK})?,${DATE}(?:/${CLOCK})?)?$`);

function clockSeconds(text: string): number {
  const [hours = 0, minutes = 0, seconds = 0] = text.replace(/^[+-]/, '').split(':').map(Number);
  const total = hours * 3600 + minutes * 60 + seconds;
  return text.startsWith('-') ? 0 - total : total;
}

/**
 * Parses a rule in the form of the variable TZ (POSIX, "Other Environment Variables"; RFC 8536 section 3.3).
 */
function parseRule(text: string, name: string): Zone {
  const [, standard, summer, begins, beginsAt = '2', ends, endsAt = '2'] = RULE.exec(text) ?? [];
  if (standard === undefined)
    throw new BoxError(`a time zone rule that is not understood: ${text}`, { where: name });
  // POSIX offsets are positive west of Greenwich.
  const usual = 0 - clockSeconds(standard);
  if (begins === undefined || ends === undefined) return () => usual;
  const saving = summer === undefined ? usual + 3600 : 0 - clockSeconds(summer);
  return (seconds) => {
    const year = new Date((seconds + usual) * 1000).getUTCFullYear();
    const from = ruleDay(begins, year) + clockSeconds(beginsAt) - usual;
    const to = ruleDay(ends, year) + clockSeconds(endsAt) - saving;
    const inSummer = from < to ? seconds >= from && seconds < to : seconds < to ? true : seconds >= from;
    return inSummer ? saving : usual;
  };
}

/** The day of a rule in seconds since 1970, as if in UTC. */
function ruleDay(rule: string, year: number): number {
  const DAY = 86_400;
  const january = Date.UTC(year, 0, 1) / 1000;
  if (!rule.startsWith('M')) {
    const leap = new Date(Date.UTC(year, 1, 29)).getUTCMonth() === 1;
    if (!rule.startsWith('J')) return january + Number(rule) * DAY;
    const day = Number(rule.slice(1));
    return january + (day - 1 + (leap && day >= 60 ? 1 : 0)) * DAY;
  }
  const [month = 1, week = 1, weekday = 0] = rule.slice(1).split('.').map(Number);
  const first = new Date(Date.UTC(year, month - 1, 1)).getUTCDay();
  const days = new Date(Date.UTC(year, month, 0)).getUTCDate();
  let day = 1 + ((weekday - first + 7) % 7) + (week - 1) * 7;
  if (day > days) day -= 7;
  return Date.UTC(year, month - 1, day) / 1000;
}

/**
 * The moment at which clocks in a zone show a time. `wall`: that time in seconds, as if in UTC.
 * A time that is skipped when summer begins is moved behind the jump. Of a time that occurs twice, the first
 * counts.
 */
export function momentOf(zone: Zone, wall: number): number {
  const before = zone(wall - 86_400);
  const after = zone(wall + 86_400);
  const early = wall - before;
  if (zone(early) === before) return early;
  const late = wall - after;
  return zone(late) === after ? late : early;
}

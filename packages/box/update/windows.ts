import { DAYS, type UpdateWindow } from '../settings/update.ts';
import { momentOf, type Zone } from './zone.ts';

/** Milliseconds since 1970. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/**
 * The window that is open at a time, or else the next one; undefined if there is none. `now`: milliseconds.
 */
export function currentOrNext(windows: readonly UpdateWindow[], zone: Zone, now: number): Span | undefined {
  const seconds = now / 1000;
  const today = Math.floor((seconds + zone(seconds)) / 86_400);
  const spans: Span[] = [];
  for (const { days = [], from, minutes } of windows) {
    const [hour = 0, minute = 0] = from.split(':').map(Number);
    // A window of seven days that began a week ago may still be open.
    for (let day = today - Math.ceil(minutes / 1440) - 1; day <= today + 8; day++) {
      const weekday = DAYS[(((day + 4) % 7) + 7) % 7]!;
      if (days.length > 0 && !days.includes(weekday)) continue;
      const begins = momentOf(zone, day * 86_400 + hour * 3600 + minute * 60) * 1000;
      const span = { from: begins, to: begins + minutes * 60_000 };
      if (span.to > now) spans.push(span);
    }
  }
  return spans.reduce<Span | undefined>(
    (best, span) => (!best || span.from < best.from ? span : best),
    undefined,
  );
}

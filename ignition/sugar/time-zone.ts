import { badInput } from '../../sdk/lib/errors.ts';

/**
 * Names of time zones in Debian's tzdata. Older names, such as `US/Eastern` and `CET`, are in tzdata-legacy, which no
 * image has.
 */
const ZONE =
  /^(UTC|GMT|(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Etc|Europe|Indian|Pacific)(\/[A-Z][A-Za-z0-9_+-]*)+)$/;

function isKnown(zone: string): boolean {
  try {
    return ZONE.test(zone) && new Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** Refuses a time zone that does not exist: podman would start no container with it (podman-run(1), --tz). */
export function timeZone(zone: string, where: string): string {
  if (isKnown(zone)) return zone;
  throw badInput(`not a time zone: ${JSON.stringify(zone.slice(0, 80))}`, {
    where,
    hint: 'write AREA/CITY, e.g. Europe/Berlin, or UTC',
  });
}

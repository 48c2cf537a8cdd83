/**
 * Versions of releases: `YYYY.MDD.N`, semantic versions that only rise. N counts the releases of a day.
 * Runs on the box as well: no Node modules here.
 */

/** GPT partition names have 36 characters, and `draisine_usr_verity_` takes 20 (UEFI specification, 5.3.3). */
const VERSION_LENGTH = 16;

const VERSION = /^([0-9]{4})\.([1-9]|1[0-2])([0-9]{2})\.(0|[1-9][0-9]{0,5})$/;

/** The fault of a text that is not a version; undefined for a version. */
export function versionFault(text: string): string | undefined {
  if (text.length > VERSION_LENGTH) return `it has more than ${VERSION_LENGTH} characters`;
  const [, year, month, day] = VERSION.exec(text) ?? [];
  if (year === undefined) return 'it is not YYYY.MDD.N, such as 2026.1129.0';
  const last = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  if (Number(day) < 1 || Number(day) > last) return `there is no day ${day} in month ${month} of ${year}`;
  return undefined;
}

/** Whether a text is a version of a release. */
export function isVersion(text: string): boolean {
  return versionFault(text) === undefined;
}

/** Compares two versions: negative if `a` is older than `b`, 0 if they are the same, else positive. */
export function compareVersions(a: string, b: string): number {
  if (a === b) return 0;
  const [left, right] = [a.split('.'), b.split('.')];
  for (let part = 0; part < 3; part++) {
    const difference = Number(left[part]) - Number(right[part]);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The version of a day. `seconds`: since 1970, UTC. */
export function versionOf(seconds: number, count = 0): string {
  const date = new Date(seconds * 1000);
  const day = String(date.getUTCDate()).padStart(2, '0');
  return `${date.getUTCFullYear()}.${date.getUTCMonth() + 1}${day}.${count}`;
}

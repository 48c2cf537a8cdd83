/*
 * The choice of systemd-boot between unified kernel images (UAPI.1 Boot Loader Specification, type 2), if neither
 * loader.conf's `default` nor LoaderEntryDefault is set. Source: src/boot/boot.c of systemd 257 (boot_entry_compare,
 * config_select_default_entry).
 */

/** The data of a UKI that systemd-boot uses: its file name, and the .osrel section of each profile. */
export interface UkiName {
  readonly file: string;
  /** At least one: a UKI without profiles is its own first profile. */
  readonly osReleases: readonly string[];
}

/** An entry of the boot menu: a profile of a UKI. */
export interface BootEntry {
  readonly file: string;
  /** The profile, from 0. */
  readonly profile: number;
  /**
   * The name by which entries are sorted. systemd 257 removes the counter from the first profile's name only (issues
   * 38813 and 40192). So the other profiles of a UKI with a counter come before the first one.
   */
  readonly id: string;
  /** Undefined if the entry has no counter. */
  readonly left: number | undefined;
  readonly done: number;
  readonly sortKey: string;
  readonly version: string;
}

/** `draisine_1+2-1.efi`: two tries left, one done. */
const COUNTED = /^(.*)\+(\d+)(?:-(\d+))?(\.efi)$/i;

/** The entries that systemd-boot makes of a UKI, one for each profile. */
function entriesOf({ file, osReleases }: UkiName): BootEntry[] {
  return osReleases.map((osRelease, profile) => entryOf(file, osRelease, profile));
}

function entryOf(file: string, osRelease: string, profile: number): BootEntry {
  const counted = COUNTED.exec(file);
  const field = (...names: string[]): string => {
    for (const name of names) {
      const value = new RegExp(`^${name}=["']?(.*?)["']?$`, 'm').exec(osRelease)?.[1];
      if (value) return value;
    }
    return '';
  };
  return {
    file,
    profile,
    id: (counted && profile === 0 ? `${counted[1]}${counted[4]}` : file).toLowerCase(),
    left: counted ? Number(counted[2]) : undefined,
    done: Number(counted?.[3] ?? 0),
    sortKey: field('IMAGE_ID', 'ID'),
    version: field('IMAGE_VERSION', 'VERSION', 'VERSION_ID', 'BUILD_ID'),
  };
}

/** The entries in the order of the menu. systemd-boot boots the first one. */
export function inOrder(ukis: readonly UkiName[]): BootEntry[] {
  return ukis.flatMap(entriesOf).sort(compare);
}

function compare(a: BootEntry, b: BootEntry): number {
  return (
    Number(a.left === 0) - Number(b.left === 0) ||
    Number(a.sortKey === '') - Number(b.sortKey === '') ||
    (a.sortKey === '' ? 0 : order(a.sortKey, b.sortKey) || -compareVersions(a.version, b.version)) ||
    -compareVersions(a.id, b.id) ||
    (a.file === b.file ? a.profile - b.profile : 0) ||
    (a.left === undefined || b.left === undefined ? 0 : b.left - a.left || a.done - b.done)
  );
}

function order(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

const LETTER = /[A-Za-z]/;
const DIGIT = /\d/;
/** Characters that only separate parts of a version. */
const NOISE = /[^A-Za-z0-9~\-^.]/;

/** UAPI.10 Version Format Specification, as `strverscmp_improved` implements it. Negative: `a` is older. */
export function compareVersions(a: string, b: string): number {
  let i = 0;
  let j = 0;
  for (;;) {
    while (i < a.length && NOISE.test(a[i] ?? '')) i += 1;
    while (j < b.length && NOISE.test(b[j] ?? '')) j += 1;
    // A tilde is older than the end.
    for (const mark of ['~', undefined, '-', '^', '.']) {
      if (mark === undefined) {
        if (i >= a.length || j >= b.length) return Number(i < a.length) - Number(j < b.length);
        continue;
      }
      const [left, right] = [a[i] === mark, b[j] === mark];
      if (left !== right) return left ? -1 : 1; // The one with the tilde is older.
      if (left) {
        i += 1;
        j += 1;
      }
    }
    const kind = DIGIT.test(a[i] ?? '') || DIGIT.test(b[j] ?? '') ? DIGIT : LETTER;
    const part = (text: string, from: number): string => {
      let to = from;
      while (to < text.length && kind.test(text[to] ?? '')) to += 1;
      return text.slice(from, to);
    };
    const [left, right] = [part(a, i), part(b, j)];
    const result =
      kind === DIGIT
        ? Number(left !== '') - Number(right !== '') || Number(BigInt(left) - BigInt(right))
        : order(left, right);
    if (result !== 0) return result;
    i += left.length;
    j += right.length;
  }
}

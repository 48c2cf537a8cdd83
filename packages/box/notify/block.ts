import { type Box, BoxError, readTextIfThere } from '../io/box.ts';
import type { Condition } from './condition.ts';

/* Problems below and of file systems other than ZFS. The kernel knows them all, so that no program and no disk is asked. */

const listed = (box: Box, folder: string): string[] =>
  box.stat(folder) === undefined ? [] : box.list(folder);

const attribute = (box: Box, path: string): string => (readTextIfThere(box, path) ?? '').trim();

/** Levels with which two copies that differ are damage. Swap and files in use may differ on a mirror (md(4), SCRUBBING). */
const PARITY = ['raid4', 'raid5', 'raid6'];

/** Arrays without all their disks, and with differences (the kernel's admin-guide/md). */
export function arrayConditions(box: Box): Condition[] {
  return listed(box, '/sys/block').flatMap((name): Condition[] => {
    const md = `/sys/block/${name}/md`;
    const state = attribute(box, `${md}/array_state`);
    if (state === '') return [];
    const hint = `mdadm --detail /dev/${name}`;
    const missing = Number(attribute(box, `${md}/degraded`)); // levels without spare data do not have the file
    // A spare has taken their place.
    const failed = listed(box, md)
      .filter((entry) => /^dev-/.test(entry) && /\bfaulty\b/.test(attribute(box, `${md}/${entry}/state`)))
      .map((entry) => entry.slice('dev-'.length));
    const [severity, why] =
      state === 'inactive' || state === 'broken'
        ? (['error', 'does not run'] as const)
        : missing > 0
          ? (['error', `lacks ${missing} of its disks`] as const)
          : (['warning', failed.length > 0 ? `has failed disks: ${failed.join(', ')}` : ''] as const);
    const differs = PARITY.includes(attribute(box, `${md}/level`)) && attribute(box, `${md}/mismatch_cnt`);
    return [
      ...(why === '' ? [] : [{ name: `array ${name}`, severity, text: `array ${name} ${why}: ${hint}` }]),
      // An event, because a restart forgets it.
      ...(differs && differs !== '0'
        ? [
            {
              ...{ name: `differences ${name}`, severity: 'error' as const, event: true },
              text: `array ${name}: its last check found ${differs} sectors that do not fit the others, so data may be damaged: ${hint}`,
            },
          ]
        : []),
    ];
  });
}

/** Types of file systems whose mounts the kernel makes read-only after an error. */
const TYPES = ['ext4', 'xfs', 'btrfs', 'vfat'];

/** A line of /proc/self/mountinfo (proc_pid_mountinfo(5)): device, place, options of the mount, type, of the file system. */
const MOUNT = /^\S+ \S+ (\S+) \S+ (\S+) (\S+) (?:\S+ )*?- (\S+) \S+ (\S+)$/gm;

/** Whether a file system answers for its top folder, which is in memory. xfs shows no other sign that it has stopped. */
function answers(box: Box, place: string): boolean {
  try {
    return box.stat(place) !== undefined;
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    return false;
  }
}

/**
 * File systems that the kernel has stopped writing to after an error. Their mounts stay `rw`. If an owner mounts one
 * read-only, the mount is `ro` as well. The state partition is always meant to be writable; the kernel command line has
 * errors=remount-ro for it.
 */
export function readOnlyConditions(box: Box): Condition[] {
  const seen = new Set<string>();
  return [...(readTextIfThere(box, '/proc/self/mountinfo') ?? '').matchAll(MOUNT)].flatMap(
    ([, device = '', target = '', mount = '', type = '', options = '']): Condition[] => {
      if (!TYPES.includes(type) || seen.has(device)) return [];
      const place = target.replaceAll(/\\(\d{3})/g, (_, code) =>
        String.fromCharCode(Number.parseInt(code, 8)),
      );
      const has = options.split(',');
      const meant = place !== '/' && mount.split(',').includes('ro');
      const stopped =
        has.includes('emergency_ro') || has.includes('shutdown') || (has.includes('ro') && !meant);
      const dead = type === 'xfs' && !answers(box, place);
      if (!stopped && !dead) return [];
      seen.add(device); // bind mounts repeat it
      const what = place === '/' ? 'the state partition' : place;
      const state = dead ? 'cannot be read' : 'is read-only';
      return [
        {
          ...{ name: place === '/' ? 'read-only state' : `read-only ${place}`, severity: 'error' },
          text: `${what} ${state} after an error of its disk (dmesg): save what is not elsewhere. A restart checks it`,
        },
      ];
    },
  );
}

/** Errors that file systems have recorded. e2fsck(8), and `btrfs device stats -z`, end these records. */
export function recordedErrors(box: Box): Condition[] {
  const ofExt4 = listed(box, '/sys/fs/ext4').flatMap((name): Condition[] => {
    const count = Number(attribute(box, `/sys/fs/ext4/${name}/errors_count`));
    const text = `the ext4 file system of /dev/${name} has had ${count} errors (dmesg): save its data, unmount it, e2fsck -f /dev/${name}`;
    return count > 0 ? [{ name: `file system ${name}`, severity: 'error', text }] : [];
  });
  const ofBtrfs = listed(box, '/sys/fs/btrfs').flatMap((id) =>
    listed(box, `/sys/fs/btrfs/${id}/devinfo`).flatMap((number): Condition[] => {
      const folder = `/sys/fs/btrfs/${id}/devinfo/${number}`;
      const missing = attribute(box, `${folder}/missing`) === '1';
      const counts = [...attribute(box, `${folder}/error_stats`).matchAll(/^\w+ (\d+)$/gm)];
      const count = counts.reduce((sum, [, one]) => sum + Number(one), 0);
      const why = missing ? 'is missing' : `has had ${count} errors`;
      const text = `the btrfs file system ${id}: its disk ${number} ${why}: btrfs device stats`;
      return missing || count > 0 ? [{ name: `file system ${id} ${number}`, severity: 'error', text }] : [];
    }),
  );
  return [...ofExt4, ...ofBtrfs];
}

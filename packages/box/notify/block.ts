import { type Box, readTextIfThere } from '../io/box.ts';
import type { Condition } from './condition.ts';

/* Problems below file systems: software RAID, and a state partition that the kernel has stopped writing to. */

/** Arrays of disks without all their disks (the kernel's admin-guide/md, "degraded" and "array_state"). */
export function arrayConditions(box: Box): Condition[] {
  if (box.stat('/sys/block') === undefined) return [];
  return box.list('/sys/block').flatMap((name): Condition[] => {
    const attribute = (file: string): string =>
      (readTextIfThere(box, `/sys/block/${name}/md/${file}`) ?? '').trim();
    const state = attribute('array_state');
    const missing = Number(attribute('degraded')); // levels without spare data do not have the file
    const why =
      state === 'inactive' || state === 'broken'
        ? 'does not run'
        : missing > 0
          ? `lacks ${missing} of its disks`
          : undefined;
    if (why === undefined) return [];
    return [
      {
        ...{ name: `array ${name}`, severity: 'error' },
        text: `array ${name} ${why}: mdadm --detail /dev/${name}`,
      },
    ];
  });
}

/** ext4 makes itself read-only after an error of its disk (errors=remount-ro on the kernel command line). */
export function readOnlyConditions(box: Box): Condition[] {
  const mounts = readTextIfThere(box, '/proc/self/mounts') ?? '';
  const options = /^\S+ \/ \S+ (\S+)/m.exec(mounts)?.[1]?.split(',') ?? [];
  if (!options.includes('ro') && !options.includes('emergency_ro')) return [];
  return [
    {
      ...{ name: 'read-only state', severity: 'error' },
      text: 'the state partition is read-only after an error of its disk (dmesg): save what is not elsewhere. A restart checks it',
    },
  ];
}

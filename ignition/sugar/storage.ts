import { badInput } from '../../sdk/lib/errors.ts';
import { type DatasetOptions, datasetService } from './dataset.ts';
import { type Fragment, mergeFragments } from './fragment.ts';
import { unit } from './unit.ts';

/** The folder of podman's images, containers and volumes (storage.conf of the image). */
const CONTAINER_STORAGE = '/var/lib/containers/storage';

/**
 * Properties for overlayfs(5): it needs extended attributes for whiteouts and capabilities. `atime` off
 * avoids a write for each read.
 */
const PROPERTIES = { acltype: 'posix', xattr: 'sa', atime: 'off' };

/** The datasets of a machine. The one for containers is mounted at podman's folder. */
export function withContainerStorage(
  datasets: { readonly [name: string]: DatasetOptions },
  storage: string | undefined,
): { readonly [name: string]: DatasetOptions } {
  if (storage === undefined) return datasets;
  const one = datasets[storage];
  const where = 'containerStorage';
  if (one === undefined)
    throw badInput(`dataset ${storage} is not declared`, { where, hint: 'declare it in datasets' });
  if (one.mountpoint !== undefined && one.mountpoint !== CONTAINER_STORAGE)
    throw badInput(`dataset ${storage} has a mount point of its own`, {
      where: `datasets.${storage}.mountpoint`,
      hint: `remove it: containerStorage mounts the dataset at ${CONTAINER_STORAGE}`,
    });
  const properties = { ...PROPERTIES, ...one.properties };
  return { ...datasets, [storage]: { ...one, mountpoint: CONTAINER_STORAGE, properties } };
}

export type PruneSchedule = 'daily' | 'weekly' | 'monthly';

/** A timer that removes unused images, and old messages of the journal. */
export function freeRoomTimer(schedule: PruneSchedule): Fragment {
  return mergeFragments(
    unit('draisine-free.service', {
      contents: {
        Unit: { Description: 'Remove images that nobody uses' },
        Service: { Type: 'oneshot', ExecStart: '/usr/bin/draisine free', Nice: '10' },
      },
    }),
    unit('draisine-free.timer', {
      enabled: true,
      contents: {
        Unit: { Description: 'Remove images that nobody uses' },
        Timer: { OnCalendar: schedule, Persistent: 'yes', RandomizedDelaySec: '1h' },
        Install: { WantedBy: 'timers.target' },
      },
    }),
  );
}

/** The unit that containers wait for if their storage is on a pool. */
export const storageUnits = (storage: string | undefined): readonly string[] =>
  storage === undefined ? [] : [datasetService(storage)];

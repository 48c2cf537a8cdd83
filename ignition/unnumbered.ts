import { isObject, type JsonObject } from './json/value.ts';
import type { Struct } from './spec/shape.ts';
import type { Step } from './step.ts';

/**
 * Partitions that each provisioning would make anew, another beside the last one's: by label alone Ignition 2.14 finds
 * none again. Its own verdict does not mention them. Paths lead to the label.
 */
export function unnumberedPartitions(config: JsonObject | Struct): readonly (readonly Step[])[] {
  const disks = isObject(config.storage) ? items(config.storage.disks) : [];
  return disks.flatMap((disk, index) =>
    isObject(disk) && disk.wipeTable !== true
      ? items(disk.partitions).flatMap((partition, at) =>
          isObject(partition) && Number(partition.number ?? 0) === 0 && partition.shouldExist !== false
            ? [['storage', 'disks', index, 'partitions', at, 'label']]
            : [],
        )
      : [],
  );
}

export const UNNUMBERED =
  'a partition without a number: provisioned again, after a reset or a power cut, the disk gets another one with this label; give it a number (on the boot disk from 7), or the disk wipeTable';

const items = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

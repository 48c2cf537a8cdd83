import { meantMode, octalText } from '../base/mode.ts';
import type { Step } from '../base/step.ts';
import { isObject, type JsonObject } from '../json/value.ts';
import { unmadeMounts } from './unmade.ts';

/** Warnings about configs that Ignition accepts, although they are probably mistakes. */

/** A warning, and its path. */
export interface Trap {
  readonly path: readonly Step[];
  readonly message: string;
}

const items = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const listIn = (config: JsonObject, section: string, list: string): readonly unknown[] => {
  const holder = config[section];
  return isObject(holder) ? items(holder[list]) : [];
};

const UNNUMBERED =
  'a partition without a number: provisioned again, after a reset or a power cut, the disk gets another one with this label; give it a number (on the boot disk from 7), or the disk wipeTable';

/**
 * Finds partitions that each provisioning would make again, beside the old ones, because Ignition 2.14 does not find an
 * existing partition by its label alone. Paths lead to the label.
 */
function unnumberedPartitions(config: JsonObject): Trap[] {
  return listIn(config, 'storage', 'disks').flatMap((disk, index) =>
    isObject(disk) && disk.wipeTable !== true
      ? items(disk.partitions).flatMap((partition, at) =>
          isObject(partition) && Number(partition.number ?? 0) === 0 && partition.shouldExist !== false
            ? [{ path: ['storage', 'disks', index, 'partitions', at, 'label'], message: UNNUMBERED }]
            : [],
        )
      : [],
  );
}

/** Modes whose decimal digits are a usual octal mode. Ignition itself warns of those with special bits. */
function decimalModes(config: JsonObject, write: (mode: number) => string): Trap[] {
  return ['files', 'directories'].flatMap((list) =>
    listIn(config, 'storage', list).flatMap((node, index) => {
      const mode = isObject(node) && typeof node.mode === 'number' && node.mode <= 0o777 ? node.mode : 0;
      const meant = meantMode(String(mode));
      if (meant === undefined) return [];
      const message = `mode ${mode} is ${octalText(mode)}; for ${octalText(meant)} write ${write(meant)}`;
      return [{ path: ['storage', list, index, 'mode'], message }];
    }),
  );
}

const OPEN_KEY =
  'sshd refuses a host key that others may read, and then nobody can log in; give the file mode 0600 (384)';

/** Private host keys of sshd with a mode for more than the owner. Ignition's own mode is 0644. */
function openHostKeys(config: JsonObject): Trap[] {
  return listIn(config, 'storage', 'files').flatMap((node, index) =>
    isObject(node) &&
    /^\/etc\/ssh\/ssh_host_\w+_key$/.test(String(node.path)) &&
    (Number(node.mode ?? 0o644) & 0o077) !== 0
      ? [{ path: ['storage', 'files', index, 'path'], message: OPEN_KEY }]
      : [],
  );
}

/** Whether typed TypeScript made the config: its datasets have mount points, and it has been checked (checkFolders). */
const hasPools = (config: JsonObject): boolean =>
  listIn(config, 'storage', 'files').some(
    (node) => isObject(node) && String(node.path).startsWith('/etc/draisine/pools/'),
  );

/** Folders that containers mount, and that a new machine does not have. */
function missingFolders(config: JsonObject): Trap[] {
  return (hasPools(config) ? [] : unmadeMounts(config)).map(({ index, path }) => ({
    path: ['storage', 'files', index, 'path'],
    message: `nothing in this config makes ${path}, and podman does not start a container without the folder that it mounts; list it in storage.directories`,
  }));
}

/**
 * All warnings of this module. @param write formats a mode in the form of the config; absent if the values are written
 * there as they are here
 */
export function trapsOf(config: JsonObject, write: ((mode: number) => string) | undefined): Trap[] {
  const modes = write === undefined ? [] : decimalModes(config, write);
  return [...unnumberedPartitions(config), ...openHostKeys(config), ...missingFolders(config), ...modes];
}

const FOLDER = '/etc/systemd/system/';

/**
 * Paths of the files that Ignition writes for the systemd section (newer versions of Ignition check them).
 */
function unitPaths(config: JsonObject): Set<string> {
  return new Set(
    listIn(config, 'systemd', 'units').flatMap((unit) => {
      if (!isObject(unit)) return [];
      const path = `${FOLDER}${String(unit.name)}`;
      const dropins = items(unit.dropins).flatMap((dropin) =>
        isObject(dropin) && dropin.contents ? [`${path}.d/${String(dropin.name)}`] : [],
      );
      return unit.contents || unit.mask === true ? [path, ...dropins] : dropins;
    }),
  );
}

/**
 * Files, directories and links at the path of a unit. The shipped Ignition writes both, and the unit wins.
 */
export function shadowedUnits(config: JsonObject): Trap[] {
  const taken = unitPaths(config);
  return ['files', 'directories', 'links'].flatMap((list) =>
    listIn(config, 'storage', list).flatMap((node, index) =>
      isObject(node) && taken.has(String(node.path))
        ? [
            {
              path: ['storage', list, index, 'path'],
              message: 'path conflicts with systemd unit of the same name; keep one of the two',
            },
          ]
        : [],
    ),
  );
}

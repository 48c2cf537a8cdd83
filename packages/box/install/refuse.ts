import { ESP_LABEL, partitionsOf, STATE_LABEL, TYPES } from '../disk/inspect.ts';
import { withReadable } from '../disk/mount.ts';
import { type Box, BoxError, mustRun, orLog, readTextIfThere } from '../io/box.ts';
import { isBooted, readDisk, withChildren } from './disks.ts';
import type { InstallOptions } from './options.ts';

/**
 * The first reason against a disk, if there is one. Only reads. `plan`: bytes that the installation needs.
 */
export function refuse(box: Box, name: string, options: InstallOptions, plan: number): void {
  const disk = readDisk(box, name);
  if (isBooted(box, disk)) throw new BoxError(`${name} is the boot disk of this system`);
  if (box.readText(`/sys/block/${name}/ro`).trim() !== '0') throw new BoxError(`${name} is read-only`);
  if (disk.size < plan)
    throw new BoxError(`${name} is too small: it must have ${Math.ceil(plan / 2 ** 30)} GiB`);
  const devices = withChildren(disk);
  const mounted = devices.find(({ mountPoint }) => mountPoint !== '');
  if (mounted) throw new BoxError(`${name}: ${mounted.name} is in use at ${mounted.mountPoint}`);
  const holder = devices.find(({ type }) => type !== 'part' && type !== 'disk');
  if (holder) {
    // udev assembles the array of every disk that carries the label of one, also of an old disk.
    const how = /^(raid|md)/.test(holder.type) ? `: mdadm --stop /dev/${holder.name} frees it` : '';
    throw new BoxError(`${name} is part of ${holder.name} (${holder.type}), which is in use${how}`);
  }
  refusePool(box, name, options);
  if (!options.keepState && !options.eraseState && hasState(box, name))
    throw new BoxError(
      `there is a Draisine on ${name} that has been in use: keep-state keeps its state, erase-state erases it`,
    );
  if (options.keepState && !hasDraisine(box, name))
    throw new BoxError(`there is no Draisine on ${name} whose state could be kept`);
  // The kernel re-reads the table only if no program has the disk open, not even a pool or a program that
  // udev does not know.
  if (box.run(['blockdev', '--rereadpt', `/dev/${name}`]).code !== 0) throw new BoxError(`${name} is in use`);
  box.run(['udevadm', 'settle', '--timeout=30']);
}

function refusePool(box: Box, name: string, { keepState, erasePool }: InstallOptions): void {
  if (box.stat('/proc/spl/kstat/zfs') !== undefined) {
    const pools = mustRun(box, 'cannot list the pools', ['zpool', 'list', '-vHLP']);
    if (new RegExp(`/dev/${name}(p?\\d+)?\\s`).test(pools))
      throw new BoxError(`${name} belongs to a ZFS pool that is imported: zpool export it first`);
  }
  if (keepState || erasePool) return;
  const pool = poolLabel(box, name);
  if (pool !== undefined)
    throw new BoxError(
      `${name} belongs to ${pool === '' ? 'a ZFS pool' : `the ZFS pool ${pool}`}: --erase-pool erases it`,
    );
}

/** Name of the pool whose label a disk or one of its partitions has; empty for a spare or a cache, whose label has none. */
function poolLabel(box: Box, name: string): string | undefined {
  for (const device of withChildren(readDisk(box, name))) {
    const { stdout } = box.run(['wipefs', '--noheadings', '--output', 'TYPE,LABEL', `/dev/${device.name}`]);
    const label = /^zfs_member *(.*?) *$/m.exec(stdout)?.[1];
    if (label !== undefined) return label;
  }
  return undefined;
}

/** The marks of a provisioned state partition (draisine-provisioned.service of the initrd). */
const MARKS = ['.draisine-provisioned', '.draisine-used'];

/**
 * Whether a disk has a state partition that was provisioned. A medium with an unattended installation may still be
 * plugged in, or offered by the network, when the firmware has forgotten its boot entries.
 */
function hasState(box: Box, name: string): boolean {
  const state = (partitionsOf(box, name) ?? []).find(({ label }) => label === STATE_LABEL);
  if (state === undefined || box.stat(state.device) === undefined) return false;
  // An interrupted installation has wiped it already.
  const { stdout } = box.run(['wipefs', '--noheadings', '--output', 'TYPE', state.device]);
  if (stdout.trim() === '') return false;
  const used = orLog(box, 'warning', `the state partition ${state.device} cannot be read`, () =>
    withReadable(box, state.device, (folder) =>
      MARKS.some((mark) => (readTextIfThere(box, `${folder}/${mark}`) ?? 'none').trim() !== 'none'),
    ),
  );
  return used ?? true;
}

/** Whether a disk has an ESP of Draisine. */
function hasDraisine(box: Box, name: string): boolean {
  return (partitionsOf(box, name) ?? []).some(({ type, label }) => type === TYPES.esp && label === ESP_LABEL);
}

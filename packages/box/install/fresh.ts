import { EMPTY_LABEL, ESP_LABEL, partitionsOf, slotsOf, TYPES } from '../disk/inspect.ts';
import type { Partition, RunningUsr, Slot } from '../disk/model.ts';
import { type Box, BoxError, mustRun, removeTree, whyFailed } from '../io/box.ts';
import { espUuidFor } from './boot-entry.ts';

/** The image's definitions of partitions for a first boot, with the changes for an installation. */
export const DEFINITIONS = '/usr/lib/repart.d';
const OWN_DEFINITIONS = '/run/draisine/install.d';

/** Runs systemd-repart(8), and waits until udev knows the new partitions. */
export function repart(box: Box, disk: string, ...options: readonly string[]): void {
  const command = [
    'systemd-repart',
    '--dry-run=no',
    '--seed=random',
    '--no-pager',
    ...options,
    `/dev/${disk}`,
  ];
  const ran = box.run(command);
  if (ran.code !== 0)
    throw new BoxError(`no partitions could be made on ${disk}: ${whyFailed(['systemd-repart'], ran)}`);
  box.run(['udevadm', 'settle', '--timeout=30']);
}

/**
 * An empty disk with the first three partitions, or, for a state partition of `state` bytes, with all of
 * them.
 */
export function makeFresh(
  box: Box,
  disk: string,
  state: number | undefined,
  running: RunningUsr,
): { readonly esp: Partition; readonly slot: Slot } {
  const old = (partitionsOf(box, disk) ?? []).find(({ type }) => type === TYPES.esp);
  const espUuid = espUuidFor(box, old);
  erase(box, disk);
  writeDefinitions(box, state, espUuid);
  repart(box, disk, '--empty=force', `--definitions=${OWN_DEFINITIONS}`);
  const partitions = partitionsOf(box, disk) ?? [];
  const esp = partitions.find(({ type }) => type === TYPES.esp);
  const [slot] = slotsOf(partitions, running);
  if (!esp || !slot) throw new BoxError(`${disk} does not keep its partition table: the disk is bad`);
  return { esp, slot };
}

/** Removes the bootable parts first. */
function erase(box: Box, disk: string): void {
  const wipe = (device: string) =>
    mustRun(box, `cannot erase ${device}`, ['wipefs', '--all', '--force', '--quiet', device]);
  for (const { type, device } of partitionsOf(box, disk) ?? [])
    if (type === TYPES.esp && box.stat(device) !== undefined) wipe(device);
  mustRun(box, 'cannot flush', ['sync']);
  for (const name of box.list(`/sys/block/${disk}`))
    if (box.stat(`/sys/block/${disk}/${name}/partition`) !== undefined) wipe(`/dev/${name}`);
  wipe(`/dev/${disk}`);
}

function writeDefinitions(box: Box, state: number | undefined, espUuid: string | undefined): void {
  removeTree(box, OWN_DEFINITIONS);
  box.makeFolder(OWN_DEFINITIONS);
  const define = (name: string, ...lines: readonly string[]) => {
    const kept = box.readText(`${DEFINITIONS}/${name}`).replace(/^Label=.*\n/gm, '');
    const text = `${kept.trimEnd()}\n${lines.join('\n')}\n`;
    box.writeFile(`${OWN_DEFINITIONS}/${name}`, text, { durable: false });
  };
  const uuid = espUuid === undefined ? [] : [`UUID=${espUuid}`];
  define('10-esp.conf', `Label=${ESP_LABEL}`, 'Format=vfat', ...uuid);
  define('20-usr-a.conf', `Label=${EMPTY_LABEL}`);
  define('21-usr-verity-a.conf', `Label=${EMPTY_LABEL}`);
  if (state === undefined) return;
  define('30-usr-b.conf', `Label=${EMPTY_LABEL}`);
  define('31-usr-verity-b.conf', `Label=${EMPTY_LABEL}`);
  define('40-state.conf', 'Label=draisine-state', `SizeMinBytes=${state}`, `SizeMaxBytes=${state}`);
}

import { Failure } from '../../../sdk/lib/errors.ts';
import type { Device } from './devices.ts';
import type { Qmp } from './qmp.ts';
import type { Patience } from './wait.ts';

/** QEMU refused to plug a device in. The guest is not the cause. */
export class Unpluggable extends Failure {}

/** Plugs a device into a running or paused machine. A paused guest finds it when it continues. */
export async function plugIn(qmp: Qmp, { id, device, blockdevs, netdev }: Device): Promise<void> {
  try {
    for (const node of blockdevs) await qmp.execute('blockdev-add', node);
    if (netdev) await qmp.execute('netdev_add', netdev);
    await qmp.execute('device_add', device);
  } catch (error) {
    if (!(error instanceof Failure) || qmp.closed.aborted) throw error;
    throw new Unpluggable(`${id} cannot be plugged in: ${error.message}`, { cause: error });
  }
}

/** Unplugs a device in order: the guest gets the request and releases the device. */
export async function pullOut(
  qmp: Qmp,
  { id, blockdevs, netdev }: Device,
  patience: Patience,
): Promise<void> {
  const gone = qmp.nextEvent(
    ({ event, data }) => event === 'DEVICE_DELETED' && data?.device === id,
    `${id} unplugged`,
    patience,
  );
  gone.catch(() => {}); // read below, unless device_del fails
  await qmp.execute('device_del', { id });
  await gone;
  for (const node of [...blockdevs].reverse())
    await qmp.execute('blockdev-del', { 'node-name': node['node-name'] });
  if (netdev) await qmp.execute('netdev_del', { id: netdev.id });
}

import { Failure } from '../../../sdk/lib/errors.ts';
import type { Qmp } from './qmp.ts';

/**
 * Forwards a port of this host's 127.0.0.1 to TCP port `guestPort` of a guest on the user network `net0`. The system
 * chooses the port, so that machines do not conflict. `hostPort`: the port that the machine had before its restart.
 */
export async function forwardPort(qmp: Qmp, guestPort: number, hostPort = 0): Promise<number> {
  const refused = await qmp.human(`hostfwd_add net0 tcp:127.0.0.1:${hostPort}-:${guestPort}`);
  if (refused.trim() !== '') throw new Failure(`port ${guestPort} cannot be forwarded: ${refused.trim()}`);
  const table = await qmp.human('info usernet');
  //   TCP[HOST_FORWARD]  14       127.0.0.1 40123       10.0.2.15    80     0     0
  const ports = [...table.matchAll(/TCP\[HOST_FORWARD\]\s+\d+\s+\S+\s+(\d+)\s+\S+\s+(\d+)/g)];
  const port = Number(ports.find(([, , guest]) => Number(guest) === guestPort)?.[1]);
  if (!port) throw new Failure(`QEMU does not list the forwarded port ${guestPort}`, { where: table });
  return port;
}

import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';

/** A layer-2 network between machines of a test: an Ethernet switch on a unix socket. */
export interface Network {
  /** The socket for QEMU's `stream` network backend. */
  readonly socket: string;
  close(): Promise<void>;
}

/** QEMU's own limit of packets (NET_BUFSIZE). It has room for offloads that merge segments. */
const LONGEST_FRAME = 4096 + 65536;

/** Opens a network. As in IEEE 802.1D, frames to a known station go to its port, others to all ports. */
export async function openNetwork(dir: string, name: string): Promise<Network> {
  const ports = new Set<Socket>();
  const stations = new Map<string, Socket>();
  const socket = join(dir, `net-${name}.sock`);

  const server = createServer((port) => {
    ports.add(port);
    port.on(
      'data',
      frameSplitter(
        (frame, framed) => {
          stations.set(frame.toString('hex', 6, 12), port);
          const to = stations.get(frame.toString('hex', 0, 6));
          if (to !== undefined) {
            if (to !== port) to.write(framed);
            return;
          }
          for (const other of ports) if (other !== port) other.write(framed);
        },
        () => port.destroy(),
      ),
    );
    port.on('error', () => {}); // 'close' follows
    port.on('close', () => {
      ports.delete(port);
      for (const [station, owner] of stations) if (owner === port) stations.delete(station);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, resolve);
  });
  return {
    socket,
    close: () =>
      new Promise((resolve) => {
        for (const port of ports) port.destroy();
        server.close(() => resolve());
      }),
  };
}

/**
 * Splits the data of QEMU's stream backend into frames. Before each frame is its length, a 32-bit big-endian number.
 */
export function frameSplitter(
  onFrame: (frame: Buffer, framed: Buffer) => void,
  onFault: () => void,
): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 4) {
      const length = rest.readUInt32BE(0);
      if (length < 14 || length > LONGEST_FRAME) {
        rest = Buffer.alloc(0);
        onFault();
        return;
      }
      if (rest.length < 4 + length) return;
      onFrame(rest.subarray(4, 4 + length), rest.subarray(0, 4 + length));
      rest = rest.subarray(4 + length);
    }
  };
}

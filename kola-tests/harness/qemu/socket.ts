import { connect, type Socket } from 'node:net';
import { errorCode } from '../../../sdk/lib/errors.ts';
import { type Patience, poll } from './wait.ts';

/** Connects to a unix socket. Waits until its owner has created it. */
export async function connectUnix(path: string, patience: Patience): Promise<Socket> {
  return await poll(`a socket at ${path}`, () => tryConnect(path), { ...patience, intervalMs: 15 });
}

function tryConnect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (error) => {
      if (['ENOENT', 'ECONNREFUSED', 'EAGAIN'].includes(errorCode(error) ?? '')) resolve(undefined);
      else reject(error);
    });
  });
}

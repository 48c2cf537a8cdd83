import { connect, type Socket } from 'node:net';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { badInput, errorCode, Failure } from '../../sdk/lib/errors.ts';
import { type Answer, attachSocket, type Request } from '../harness/machine/keep.ts';
import { onTerminal } from './terminal.ts';

/**
 * `kola attach`: enters a machine that `kola run --keep` holds, by its folder. Without a command it opens a root shell on
 * this terminal. With a command it runs that as root, prints its output and exits with its code.
 */
export async function attach(dir: string, command: readonly string[]): Promise<number> {
  if (command.length === 0 && !process.stdin.isTTY)
    throw badInput('kola attach without a command is a shell: it needs a terminal', {
      hint: `./draisine kola attach ${dir} COMMAND`,
    });
  const socket = await connectTo(dir);
  const send = (request: Request): void => void socket.write(`${JSON.stringify(request)}\n`);
  if (command.length > 0) {
    send({ run: command.join(' ') });
    return await printed(socket);
  }
  const { columns = 80, rows = 24 } = process.stdout;
  send({ shell: { columns, rows, terminal: process.env.TERM ?? 'vt220' } });
  process.stderr.write('root shell · exit or Ctrl-A X leaves the machine running\n');
  socket.on('data', (bytes: Buffer) => process.stdout.write(bytes));
  const ended = new Promise<void>((done) => socket.once('close', () => done()));
  await onTerminal((bytes) => void socket.write(bytes), ended);
  socket.destroy();
  return 0;
}

async function printed(socket: Socket): Promise<number> {
  const line = await text(socket);
  if (line === '') throw new Failure('the connection to the machine was closed: its run has ended');
  const answer = JSON.parse(line) as Answer;
  if ('error' in answer) throw new Failure(answer.error.replace(/^error: /, ''));
  process.stdout.write(Buffer.from(answer.stdout, 'base64'));
  process.stderr.write(Buffer.from(answer.stderr, 'base64'));
  return answer.code;
}

async function connectTo(dir: string): Promise<Socket> {
  const path = attachSocket(resolve(dir));
  return await new Promise((done, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      socket.on('error', () => {}); // 'close' follows
      done(socket);
    });
    socket.once('error', (error) => {
      if (!['ENOENT', 'ECONNREFUSED', 'ENOTDIR'].includes(errorCode(error) ?? '')) return reject(error);
      reject(
        badInput('no machine is kept there', {
          where: path,
          hint: './draisine kola run --keep TEST prints the folders of its machines',
        }),
      );
    });
  });
}

import { createReadStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, posix } from 'node:path';
import { Failure } from '../../../sdk/lib/errors.ts';
import { shellQuote } from '../../../sdk/lib/shell.ts';
import { type CommandVerbs, type GuestOf, trimmed } from './commands.ts';

/** Files between this host and a guest. */
export interface TransferVerbs {
  /**
   * Copies a file of the host (a path), or bytes (a Buffer or Uint8Array), to a path of the guest. Makes
   * missing folders. `mode`: default 0o644.
   * @example await box.copyTo(Buffer.from('key = 1\n'), '/etc/app.conf', { mode: 0o600 })
   */
  copyTo(source: string | Uint8Array, path: string, options?: { readonly mode?: number }): Promise<void>;
  /**
   * Returns the bytes of a file of the guest. With `to`, writes them to this path of the host as well.
   * @example const bytes = await box.copyFrom('/var/log/app.log')
   */
  copyFrom(path: string, to?: string): Promise<Buffer>;
}

const CHUNK = 1 << 20;

/** The verbs that copy files, through the agent of a guest. */
export function transferVerbs({ name }: GuestOf, { succeed, output }: CommandVerbs): TransferVerbs {
  return {
    copyTo: async (source, path, { mode = 0o644 } = {}) => {
      const target = shellQuote(path);
      const folder = shellQuote(posix.dirname(path));
      // The first chunk comes with the command that makes the file, because each command costs time.
      let make = `mkdir -p ${folder} && : >${target} && chmod ${mode.toString(8)} ${target} && `;
      const add = async (chunk: Uint8Array): Promise<void> => {
        await succeed(`${make}cat >>${target}`, { stdin: chunk });
        make = '';
      };
      const chunks =
        typeof source === 'string' ? createReadStream(source, { highWaterMark: CHUNK }) : slices(source);
      for await (const chunk of chunks) await add(chunk as Uint8Array);
      if (make !== '') await add(new Uint8Array());
    },
    copyFrom: async (path, to) => {
      const parts: Buffer[] = [];
      for (let index = 0; ; index += 1) {
        const { code, stdout, stderr } = await output(
          `dd if=${shellQuote(path)} bs=${CHUNK} skip=${index} count=1 status=none`,
        );
        if (code !== 0) throw new Failure(`${name}: cannot read ${path}: ${trimmed(stderr)}`);
        parts.push(stdout);
        if (stdout.length < CHUNK) break;
      }
      const bytes = Buffer.concat(parts);
      if (to !== undefined) {
        await mkdir(dirname(to), { recursive: true });
        await writeFile(to, bytes);
      }
      return bytes;
    },
  };
}

function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK);
}

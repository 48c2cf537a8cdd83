import { createReadStream, createWriteStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import xzDecompress from 'xz-decompress';
import { Failure } from '../../sdk/lib/errors.ts';
import { runProcess, type ToolCommand } from '../../sdk/process.ts';

export type Codec = 'none' | 'gz' | 'xz' | 'zst';

/** Commands that decode stdin to stdout (`xz -dc -T0`, `zstd -dc`). They come from a tool tree, never from the host. */
export interface Decoders {
  readonly xz?: ToolCommand;
  readonly zst?: ToolCommand;
}

/** The bytes `[offset, offset + size)` of a file. */
export interface Section {
  readonly path: string;
  readonly offset: number;
  readonly size: number;
}

/** Up to this number of bytes, decoding in WebAssembly takes less time than starting a process. */
const SMALL = 32 * 1024;
const CHUNK = 1 << 20;

/**
 * Writes the decoded section to the new file `out`, and removes that file after an error. Without a command for xz,
 * npm's xz-decompress decodes in this thread, at about two thirds of the native speed. zst needs a command. `where`
 * names the input in errors.
 */
export async function decompress(
  input: Section,
  codec: Codec,
  out: string,
  { decoders = {}, where, signal }: { decoders?: Decoders; where: string; signal?: AbortSignal | undefined },
): Promise<void> {
  const small = codec === 'xz' && input.size <= SMALL;
  const command = codec === 'none' || codec === 'gz' || small ? undefined : decoders[codec];
  if (codec === 'zst' && !command) {
    throw new Failure('no zstd decoder', { where, hint: 'give an SDK tree with zstd' });
  }
  try {
    if (command) await decodeByCommand(input, command, out, signal);
    else await decodeHere(input, codec, out, signal);
  } catch (error) {
    await rm(out, { force: true });
    if (signal?.aborted || isSystemError(error)) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new Failure(`cannot decode the ${codec} data (truncated or damaged?): ${why}`, {
      where,
      cause: error,
    });
  }
}

async function decodeHere(input: Section, codec: Codec, out: string, signal?: AbortSignal): Promise<void> {
  const encoded = readSection(input);
  const write = createWriteStream(out, { flags: 'wx', highWaterMark: CHUNK });
  if (codec === 'gz') await pipeline(encoded, createGunzip({ chunkSize: CHUNK }), write, { signal });
  else if (codec === 'xz') await pipeline(decodeXz(encoded), write, { signal });
  else await pipeline(encoded, write, { signal });
}

function readSection({ path, offset, size }: Section): Readable {
  if (size === 0) return Readable.from([]);
  return createReadStream(path, { start: offset, end: offset + size - 1, highWaterMark: CHUNK });
}

/** The command writes to the file itself. So the decoded bytes do not pass through this process. */
async function decodeByCommand(
  input: Section,
  command: ToolCommand,
  out: string,
  signal?: AbortSignal,
): Promise<void> {
  const target = await open(out, 'wx');
  try {
    const options = { stdin: readSection(input), stdout: target.fd, ...(signal ? { signal } : {}) };
    const { code, signal: killedBy, stderr } = await runProcess(command, options);
    if (code !== 0) throw new Error(stderr.trim() || (killedBy ?? `exit ${code}`));
  } finally {
    await target.close();
  }
}

/**
 * xz-decompress decodes one stream at a time. Each stream must be read to its end or be cancelled, or else the next one
 * waits for ever. Leaving the loop below cancels it.
 */
async function* decodeXz(encoded: Readable): AsyncGenerator<Uint8Array> {
  const decoded = new xzDecompress.XzReadableStream(Readable.toWeb(encoded) as ReadableStream<Uint8Array>);
  for await (const chunk of decoded) yield chunk;
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

import { createReadStream, createWriteStream, readFileSync, type Stats } from 'node:fs';
import { mkdtemp, readlink, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { badInput, errorCode, Failure, ifThere } from './errors.ts';
import { replaceFile } from './files.ts';

/** Options for writing an output file. */
export interface OutputOptions {
  /** True: only the owner may read it (mode 0600). */
  readonly secret?: boolean;
}

/**
 * Writes the file that a user has named, with the effect of a shell's `>`. It follows symbolic links, and keeps the
 * mode of an existing file; a new file's mode depends on the umask. It writes directly into a file that is not regular
 * (/dev/stdout, a pipe). A regular file is either unchanged or complete. A path that cannot be written is bad input; no
 * folder is made.
 */
export async function fillOutput(
  path: string,
  { secret = false }: OutputOptions,
  fill: (temporary: string) => Promise<void>,
): Promise<void> {
  if (path === '') throw refused(path, 'it has no name');
  try {
    const found = await statIfAny(path);
    if (found?.isDirectory()) throw refused(path, 'it is a folder');
    if (found?.isBlockDevice())
      throw badInput('cannot write: it is a disk', { where: path, hint: './draisine flash writes to disks' });
    if (found && !found.isFile()) return await pour(path, fill);
    const mode = secret ? 0o600 : found ? found.mode & 0o777 : 0o666 & ~umask();
    await replaceFile(found ? await realpath(path) : await endOfLinks(path), mode, fill);
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined || error instanceof Failure) throw error;
    if (code === 'EPIPE') throw error; // The reader of a pipe has ended. The path has no fault.
    const why = REASONS[code] ?? `${code}`;
    throw code === 'ENOSPC' || code === 'EDQUOT' || code === 'EIO'
      ? new Failure(`cannot write: ${why}`, { where: path, hint: 'make room there', cause: error })
      : refused(path, why, error);
  }
}

/** Writes a text into the file that the user has named; see `fillOutput`. */
export async function writeOutput(path: string, text: string, options: OutputOptions = {}): Promise<void> {
  await fillOutput(path, options, (temporary) => writeFile(temporary, text, { mode: 0o600 }));
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'its folder does not exist',
  ENOTDIR: 'the path leads through a file',
  EACCES: 'this user may not',
  EPERM: 'this user may not',
  EROFS: 'the file system is read-only',
  ELOOP: 'the links lead in a circle',
  ENXIO: 'it is a socket, or a device that is not there',
  ENAMETOOLONG: 'the name is too long',
  ENOSPC: 'no space left',
  EDQUOT: 'the disk quota is used up',
};

function refused(path: string, why: string, cause?: unknown): Failure {
  return badInput(`cannot write: ${why}`, {
    where: path === '' ? '""' : path,
    hint: 'name a file in an existing folder that you may write to',
    cause,
  });
}

async function statIfAny(path: string): Promise<Stats | undefined> {
  return await ifThere(stat(path));
}

/** Resolves a path whose last part does not exist yet, because realpath(3) resolves only existing paths. */
async function endOfLinks(path: string): Promise<string> {
  try {
    return await endOfLinks(resolve(dirname(path), await readlink(path)));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return path;
    throw error;
  }
}

/** Writes into a device or a pipe, which a rename cannot replace. */
async function pour(path: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'draisine-output-'));
  try {
    const made = join(scratch, 'output');
    await fill(made);
    await pipeline(createReadStream(made), createWriteStream(path));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Reads the umask from the kernel, because process.umask() changes it for a moment, for all threads. */
function umask(): number {
  const [, octal = '022'] = /^Umask:\s*([0-7]+)$/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? [];
  return Number.parseInt(octal, 8);
}

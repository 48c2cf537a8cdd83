import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { constants } from 'node:os';
import { performance } from 'node:perf_hooks';
import { errorCode } from '../../../sdk/lib/errors.ts';
import {
  type Box,
  BoxError,
  type FileInfo,
  folderOf,
  nameOf,
  type Priority,
  type RunOptions,
} from './box.ts';

/**
 * The program for a command of the box in a test: a replacement of argv[0], and words before the arguments.
 */
export type Programs = (argv: readonly string[]) => readonly string[];

/** The folder of a box, and its programs. */
export interface NodeBoxOptions {
  /** The root folder for files of the box. Programs see the paths of the host: use `path`. */
  readonly root: string;
  readonly programs?: Programs;
  readonly now?: () => number;
  readonly machineId?: string;
  readonly onLog?: (priority: Priority, text: string) => void;
}

/** A box whose files are in a folder of this host. */
export interface NodeBox extends Box {
  /** The path of a file of the box on the host. */
  path(inside: string): string;
}

function rethrow<T>(what: string, where: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    throw new BoxError(`cannot ${what}: ${code}`, { code, where });
  }
}

function ifThere(look: () => Stats): Stats | undefined {
  try {
    return look();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}

function info(stats: Stats | undefined): FileInfo | undefined {
  if (!stats) return undefined;
  const type = stats.isFile()
    ? 'file'
    : stats.isDirectory()
      ? 'directory'
      : stats.isSymbolicLink()
        ? 'symlink'
        : stats.isBlockDevice()
          ? 'block'
          : 'other';
  const { size, uid, gid, mode, mtimeMs } = stats;
  return { type, size, uid, gid, mode: mode & 0o7777, modified: mtimeMs };
}

function runProgram(argv: readonly string[], options: RunOptions, host: (path: string) => string) {
  const out = options.stdoutFile === undefined ? undefined : openSync(host(options.stdoutFile), 'w+', 0o600);
  try {
    const [file = '', ...args] = argv;
    const ran = spawnSync(file, args, {
      input: options.stdin ?? '',
      stdio: ['pipe', out ?? 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      maxBuffer: 256 << 20,
      ...(options.cwd === undefined ? {} : { cwd: host(options.cwd) }),
      ...(options.timeoutSeconds === undefined ? {} : { timeout: options.timeoutSeconds * 1000 }),
    });
    const failed = ran.error as NodeJS.ErrnoException | undefined;
    if (failed && failed.code !== 'ENOENT' && failed.code !== 'ETIMEDOUT' && failed.code !== 'EPIPE')
      throw failed;
    const code =
      failed?.code === 'ENOENT'
        ? 127
        : failed?.code === 'ETIMEDOUT'
          ? 124
          : (ran.status ?? 128 + constants.signals[ran.signal!]);
    return { code, stdout: ran.stdout?.toString() ?? '', stderr: ran.stderr?.toString() ?? '' };
  } finally {
    if (out !== undefined) closeSync(out);
  }
}

/** A box with files below a folder of the host and real programs, for tests of programs. */
export function nodeBox(options: NodeBoxOptions): NodeBox {
  const host = (path: string) => `${options.root}${path}`;
  return {
    path: host,
    now: options.now ?? (() => Date.now()),
    monotonic: () => performance.now(),
    sleep: (milliseconds) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds),
    readFile: (path) => rethrow('read', path, () => readFileSync(host(path))),
    readText: (path) => rethrow('read', path, () => readFileSync(host(path), 'utf8')),
    writeFile(path, content, { mode = 0o644 } = {}) {
      const beside = host(`${folderOf(path)}/.${nameOf(path)}.new`);
      rethrow('write', path, () => {
        writeFileSync(beside, content);
        chmodSync(beside, mode);
        renameSync(beside, host(path));
      });
    },
    list: (path) => rethrow('list a folder', path, () => readdirSync(host(path)).sort()),
    stat: (path) => rethrow('look at a file', path, () => info(ifThere(() => statSync(host(path))))),
    lstat: (path) => rethrow('look at a file', path, () => info(ifThere(() => lstatSync(host(path))))),
    readLink: (path) => rethrow('read a link', path, () => readlinkSync(host(path))),
    makeFolder: (path, mode = 0o755) =>
      rethrow('make a folder', path, () => void mkdirSync(host(path), { recursive: true, mode })),
    symlink: (target, path) =>
      rethrow('make a link', path, () => {
        rmSync(host(path), { force: true });
        symlinkSync(target, host(path));
      }),
    rename: (from, to) => rethrow('rename', from, () => renameSync(host(from), host(to))),
    remove: (path) =>
      rethrow('remove', path, () => {
        const found = ifThere(() => lstatSync(host(path)));
        if (found?.isDirectory()) rmdirSync(host(path));
        else if (found) rmSync(host(path), { force: true });
      }),
    sync: (path) => {
      if (!statSync(host(path), { throwIfNoEntry: false }))
        throw new BoxError('nothing to flush', { code: 'ENOENT', where: path });
    },
    open(path, mode) {
      const file = rethrow('open', path, () => openSync(host(path), mode === 'read' ? 'r' : 'r+'));
      return {
        size: fstatSync(file).size,
        read(offset, length) {
          const bytes = new Uint8Array(length);
          if (readSync(file, bytes, 0, length, offset) !== length)
            throw new BoxError('the file ends too soon', { where: path, code: 'EIO' });
          return bytes;
        },
        write: (offset, bytes) => void writeSync(file, bytes, 0, bytes.length, offset),
        sync: () => fsyncSync(file),
        close: () => closeSync(file),
      };
    },
    run: (argv, given = {}) => runProgram(options.programs?.(argv) ?? argv, given, host),
    log: (priority, text) => options.onLog?.(priority, text),
    processId: () => String(process.pid),
    machineId: () => options.machineId ?? '0123456789abcdef0123456789abcdef',
    environment: (name) => process.env[name],
  };
}

import * as os from 'quickjs-os';
import * as std from 'quickjs-std';
import {
  type Box,
  BoxError,
  type FileInfo,
  folderOf,
  nameOf,
  PRIORITIES,
  type Priority,
  type Ran,
  type RandomAccess,
  type RunOptions,
  type WriteOptions,
} from './box.ts';
import { decodeUtf8, encodeUtf8 } from './utf8.ts';

const RUN = '/run/draisine';
/** Numbers of errno(3) on x86-64 Linux, for the codes that the box's code uses. */
const CODES: Readonly<Record<number, string>> = {
  1: 'EPERM',
  2: 'ENOENT',
  5: 'EIO',
  13: 'EACCES',
  17: 'EEXIST',
  20: 'ENOTDIR',
  21: 'EISDIR',
  28: 'ENOSPC',
  30: 'EROFS',
  39: 'ENOTEMPTY',
};
const ENOENT = 2;
const EEXIST = 17;
const ENOTDIR = 20;

/** Checks a call of QuickJS that returns a negated errno. */
function must(result: number, what: string, where: string): number {
  if (result < 0) throw failed(-result, what, where);
  return result;
}

function failed(errno: number, what: string, where: string): BoxError {
  const code = CODES[errno];
  return new BoxError(`cannot ${what}: ${std.strerror(errno)}`, { where, ...(code ? { code } : {}) });
}

function info([found, errno]: [os.Stat | null, number], path: string): FileInfo | undefined {
  if (errno === ENOENT || errno === ENOTDIR) return undefined;
  if (found === null || errno !== 0) throw failed(errno, 'look at a file', path);
  const types = new Map<number, FileInfo['type']>([
    [os.S_IFREG, 'file'],
    [os.S_IFDIR, 'directory'],
    [os.S_IFLNK, 'symlink'],
    [os.S_IFBLK, 'block'],
  ]);
  const type = types.get(found.mode & os.S_IFMT) ?? 'other';
  const { size, uid, gid, mode, mtime } = found;
  return { type, size, uid, gid, mode: mode & 0o7777, modified: mtime };
}

function writeAll(handle: number, bytes: Uint8Array, path: string): void {
  for (let done = 0; done < bytes.length; ) {
    done += must(os.write(handle, bytes.buffer, bytes.byteOffset + done, bytes.length - done), 'write', path);
  }
}

function readBytes(handle: number, length: number, path: string): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const count = must(os.read(handle, bytes.buffer, done, length - done), 'read', path);
    if (count === 0) throw new BoxError('the file ends too soon', { where: path, code: 'EIO' });
    done += count;
  }
  return bytes;
}

/** Calls `use` with an open handle, and closes it in any case. */
function withFile<T>(path: string, flags: number, mode: number, use: (handle: number) => T): T {
  const handle = must(os.open(path, flags, mode), 'open', path);
  try {
    return use(handle);
  } finally {
    os.close(handle);
  }
}

const CHUNK = 1 << 16;

/** Reads to the end, whatever stat(2) gives as size: proc(5) and sysfs(5) do not know it. */
const readWhole = (path: string): Uint8Array =>
  withFile(path, os.O_RDONLY, 0, (handle) => {
    let bytes = new Uint8Array(CHUNK);
    for (let done = 0; ; ) {
      if (done === bytes.length) {
        const larger = new Uint8Array(2 * bytes.length);
        larger.set(bytes);
        bytes = larger;
      }
      const count = must(os.read(handle, bytes.buffer, done, bytes.length - done), 'read', path);
      if (count === 0) return bytes.slice(0, done);
      done += count;
    }
  });

/** QuickJS reads and decodes in C, but only files whose stat(2) size is right. */
function readText(path: string): string {
  const [found] = os.stat(path);
  const sized = found !== null && (found.mode & os.S_IFMT) === os.S_IFREG && found.size > 0;
  return (sized ? std.loadFile(path) : null) ?? decodeUtf8(readWhole(path));
}

let temporary = 0;

/** A file for the stdin, stdout or stderr of a program. Its name is removed as soon as it is open. */
function scratchFile(): number {
  const made = os.mkdir(RUN, 0o755);
  if (made < 0 && made !== -EEXIST) throw failed(-made, 'make a folder', RUN);
  const path = `${RUN}/.${os.getpid()}.${temporary++}`;
  const handle = must(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), 'open', path);
  os.remove(path);
  return handle;
}

/** Text of a scratch file. It is read through its descriptor, and QuickJS decodes it in C. */
function textOf(handle: number): string {
  const text = std.loadFile(`/proc/self/fd/${handle}`);
  if (text === null) throw new BoxError('cannot read what a program printed');
  return text;
}

/** Seconds after which timeout(1) kills a program that it could not end. */
const KILL_AFTER = 5;

/**
 * Waits for a program that timeout(1) ends. A program that hangs in the kernel cannot be killed, and timeout(1) waits
 * for it, so it is left behind. Returns its exit code, or a negated signal number; undefined if it was left behind.
 */
function awaitExit(process: number, timeoutSeconds: number): number | undefined {
  const end = os.now() + (timeoutSeconds + KILL_AFTER + 3) * 1000;
  for (let pause = 1; os.now() < end; pause = Math.min(2 * pause, 50)) {
    const [ended, status] = os.waitpid(process, os.WNOHANG);
    if (ended === process) return (status & 127) === 0 ? (status >> 8) & 255 : 0 - (status & 127);
    must(ended, 'wait for a program', String(process));
    os.sleep(pause);
  }
  return undefined;
}

function run(argv: readonly string[], options: RunOptions = {}): Ran {
  const { timeoutSeconds, stdoutFile } = options;
  const command =
    timeoutSeconds === undefined
      ? argv
      : ['timeout', `--kill-after=${KILL_AFTER}`, String(timeoutSeconds), ...argv];
  const opened: number[] = [];
  const scratch = () => {
    const handle = scratchFile();
    opened.push(handle);
    return handle;
  };
  try {
    const stdin = scratch();
    if (options.stdin !== undefined) {
      writeAll(stdin, typeof options.stdin === 'string' ? encodeUtf8(options.stdin) : options.stdin, 'stdin');
      os.seek(stdin, 0, std.SEEK_SET);
    }
    const stderr = scratch();
    let stdout: number;
    if (stdoutFile === undefined) stdout = scratch();
    else {
      stdout = must(os.open(stdoutFile, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), 'open', stdoutFile);
      opened.push(stdout);
    }
    const started = os.exec(command, {
      block: timeoutSeconds === undefined,
      stdin,
      stdout,
      stderr,
      ...(options.env ? { env: { ...std.getenviron(), ...options.env } } : {}),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const exit = timeoutSeconds === undefined ? started : awaitExit(started, timeoutSeconds);
    const left = exit === undefined ? `${argv[0]} hangs in the kernel and cannot be ended` : '';
    return {
      code: exit === undefined ? 124 : exit < 0 ? 128 - exit : exit,
      stdout: stdoutFile === undefined ? textOf(stdout) : '',
      stderr: textOf(stderr) + left,
    };
  } finally {
    for (const handle of opened) os.close(handle);
  }
}

function sync(path: string): void {
  const { code, stderr } = run(['sync', path]);
  if (code !== 0)
    throw new BoxError(`cannot flush to the disk: ${stderr.trim()}`, { where: path, code: 'EIO' });
}

/**
 * A name beside `path`, for a file or link that then replaces `path`. No other process uses it: with one name for all,
 * one process would rename the unfinished file of another. The names that ended processes have left there are removed;
 * releases before 2026.12 left `.NAME.new`.
 */
function nameBeside(path: string): string {
  const [folder, start, end] = [folderOf(path), `.${nameOf(path)}.`, '.new'];
  const own = String(os.getpid());
  const [names] = os.readdir(folder);
  for (const name of names) {
    if (!name.startsWith(start) || !name.endsWith(end)) continue;
    const owner = name.slice(start.length, -end.length);
    if (!/^\d*$/.test(owner)) continue; // of another file
    if (owner === '' || owner === own || os.stat(`/proc/${owner}`)[0] === null)
      os.remove(`${folder}/${name}`);
  }
  return `${folder}/${start}${own}${end}`;
}

function writeFile(
  path: string,
  content: string | Uint8Array,
  { mode = 0o644, durable = true }: WriteOptions = {},
): void {
  const beside = nameBeside(path);
  withFile(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode, (handle) =>
    writeAll(handle, typeof content === 'string' ? encodeUtf8(content) : content, path),
  );
  // The umask is root's 022. Of the modes in use, it changes only these.
  if ((mode & 0o022) !== 0) run(['chmod', mode.toString(8), beside]);
  if (durable) sync(beside);
  must(os.rename(beside, path), 'rename', path);
  if (durable) sync(folderOf(path));
}

function open(path: string, mode: 'read' | 'write'): RandomAccess {
  const handle = must(os.open(path, mode === 'read' ? os.O_RDONLY : os.O_RDWR), 'open', path);
  const size = must(os.seek(handle, 0, std.SEEK_END), 'find the size', path);
  return {
    size,
    read(offset, length) {
      must(os.seek(handle, offset, std.SEEK_SET), 'seek', path);
      return readBytes(handle, length, path);
    },
    write(offset, bytes) {
      must(os.seek(handle, offset, std.SEEK_SET), 'seek', path);
      writeAll(handle, bytes, path);
    },
    sync: () => sync(path),
    close: () => void os.close(handle),
  };
}

function makeFolder(path: string, mode = 0o755): void {
  if (path === '/') return;
  const made = os.mkdir(path, mode);
  if (made === -EEXIST) return;
  if (made === -ENOENT) {
    makeFolder(folderOf(path));
    must(os.mkdir(path, mode), 'make a folder', path);
  } else must(made, 'make a folder', path);
}

/**
 * Whether stderr of this process is the journal, not only that of a parent (systemd.exec(5),
 * $JOURNAL_STREAM).
 */
function isJournal(): boolean {
  const stream = std.getenv('JOURNAL_STREAM');
  const [stderr] = os.stat('/proc/self/fd/2');
  return stream !== undefined && stderr !== null && stream === `${stderr.dev}:${stderr.ino}`;
}

/** The journal wants the priority in front of the line (sd-daemon(3)). */
function log(priority: Priority, text: string): void {
  const line = text.replaceAll('\n', ' | ');
  const level = PRIORITIES[priority];
  if (isJournal()) {
    std.err.puts(`<${level}>${line}\n`);
    std.err.flush();
    return;
  }
  if (priority !== 'debug') std.err.puts(`${line}\n`);
  run(['systemd-cat', '--identifier=draisine', `--priority=${level}`], { stdin: `${line}\n` });
}

/** The real box: Debian's quickjs 2025-04-26, coreutils and systemd. */
export const quickjsBox: Box = {
  now: () => Date.now(),
  monotonic: () => os.now(),
  sleep: (milliseconds) => os.sleep(milliseconds),
  readFile: readWhole,
  readText,
  writeFile,
  list(path) {
    const [names, errno] = os.readdir(path);
    if (errno !== 0) throw failed(errno, 'list a folder', path);
    return names.filter((name) => name !== '.' && name !== '..').sort();
  },
  stat: (path) => info(os.stat(path), path),
  lstat: (path) => info(os.lstat(path), path),
  readLink(path) {
    const [target, errno] = os.readlink(path);
    if (errno !== 0) throw failed(errno, 'read a link', path);
    return target;
  },
  makeFolder,
  symlink(target, path) {
    const beside = nameBeside(path);
    must(os.symlink(target, beside), 'make a link', path);
    must(os.rename(beside, path), 'rename', path);
  },
  rename: (from, to) => void must(os.rename(from, to), 'rename', from),
  remove(path) {
    const removed = os.remove(path);
    if (removed !== -ENOENT && removed !== -ENOTDIR) must(removed, 'remove', path);
  },
  sync,
  open,
  run,
  log,
  processId: () => String(os.getpid()),
  machineId() {
    const text = readText('/etc/machine-id').trim();
    if (!/^[0-9a-f]{32}$/.test(text)) throw new BoxError('no machine id', { where: '/etc/machine-id' });
    return text;
  },
  environment: (name) => std.getenv(name),
};

/** Arguments of the program, without its name. */
export const programArguments = (): string[] =>
  (globalThis as unknown as { scriptArgs: string[] }).scriptArgs.slice(1);

/** Ends the program. */
export function exit(code: number): never {
  std.out.flush();
  return std.exit(code);
}

/** Prints a text to standard output, unchanged. */
export const print = (text: string): void => std.out.puts(text);

/** syslog(3) priorities that the box uses, in the form of sd-daemon(3). */
export const PRIORITIES = { error: 3, warning: 4, notice: 5, info: 6, debug: 7 } as const;

/** Priority of a line of the journal (syslog(3)). */
export type Priority = keyof typeof PRIORITIES;

/** The answer of stat(2) for a file. */
export interface FileInfo {
  readonly type: 'file' | 'directory' | 'symlink' | 'block' | 'other';
  /** Bytes. For a block device it is 0, as in stat(2); open the device for its size. */
  readonly size: number;
  /** The twelve permission bits. */
  readonly mode: number;
  /** Numbers of the owner and of the group. */
  readonly uid: number;
  readonly gid: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

/** An open file or block device. */
export interface RandomAccess {
  /** Bytes. */
  readonly size: number;
  /** Reads exactly `length` bytes; throws a `BoxError` at the end of the file. */
  read(offset: number, length: number): Uint8Array;
  write(offset: number, bytes: Uint8Array): void;
  /** Flushes to the disk (fsync(2)). */
  sync(): void;
  close(): void;
}

/** Options for running a program. */
export interface RunOptions {
  readonly stdin?: string | Uint8Array;
  /** Variables added to the environment of the box's process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** A file for stdout instead of `Ran.stdout`. It is made anew, with mode 0600. */
  readonly stdoutFile?: string;
  /**
   * Limit in seconds. After it the program is ended, and `code` is 124 (timeout(1)). A program that hangs in the kernel
   * cannot be ended: it is left behind.
   */
  readonly timeoutSeconds?: number;
}

/** The outcome of a program. */
export interface Ran {
  /** Exit code. 127: there is no such program. 128 + N: signal N ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Options for writing a file. */
export interface WriteOptions {
  /** Permission bits; default 0644. */
  readonly mode?: number;
  /** Whether it must survive a power cut; default true. Use false for files below /run. */
  readonly durable?: boolean;
}

/**
 * The only interface of the box's code to the machine; nothing in it is asynchronous.
 * On the box QuickJS implements it, in tests Node with a folder, in unit tests and simulations a fake. Paths
 * are absolute. Failures are `BoxError`s.
 */
export interface Box {
  /** The clock, in milliseconds since 1970. It may be wrong: see `trustedTime`. */
  now(): number;
  /** Milliseconds since some moment; never goes back. */
  monotonic(): number;
  sleep(milliseconds: number): void;

  readFile(path: string): Uint8Array;
  readText(path: string): string;
  /** Writes atomically: temporary name in the same folder, fsync(2), rename(2). The folder must exist. */
  writeFile(path: string, content: string | Uint8Array, options?: WriteOptions): void;
  /** Names in a folder, sorted by bytes, without `.` and `..`. */
  list(path: string): string[];
  /** stat(2): follows links. Undefined if there is nothing. */
  stat(path: string): FileInfo | undefined;
  /** lstat(2): does not follow a link. */
  lstat(path: string): FileInfo | undefined;
  readLink(path: string): string;
  /** Makes a folder with its parents. It may exist. */
  makeFolder(path: string, mode?: number): void;
  /** Makes a symlink, and replaces a node of that name. */
  symlink(target: string, path: string): void;
  rename(from: string, to: string): void;
  /** Removes a file, a link or an empty folder. It may be missing, and so may its folder, or be a file. */
  remove(path: string): void;
  /** fsync(2) of a file or folder. */
  sync(path: string): void;
  open(path: string, mode: 'read' | 'write'): RandomAccess;

  /** Runs a program of PATH to its end. A failure of the program is not an error. */
  run(argv: readonly string[], options?: RunOptions): Ran;
  /** Writes one line to the journal, and to the terminal if there is one. */
  log(priority: Priority, text: string): void;
  /** The number of this process. */
  processId(): string;
  /** 32 hexadecimal digits (machine-id(5)). */
  machineId(): string;
  environment(name: string): string | undefined;
}

/** An error for a person: what, where, hint. */
export class BoxError extends Error {
  override readonly name = 'BoxError';
  /** `ENOENT`, `ENOSPC`, … of the system, or a word that the module with the error exports; else undefined. */
  readonly code: string | undefined;
  readonly where: string | undefined;
  readonly hint: string | undefined;

  constructor(
    what: string,
    details: { readonly code?: string; readonly where?: string; readonly hint?: string } = {},
  ) {
    super(what);
    this.code = details.code;
    this.where = details.where;
    this.hint = details.hint;
  }
}

/** `what, at where: hint` on one line. */
export function describeError(error: unknown): string {
  if (!(error instanceof BoxError)) return error instanceof Error ? error.message : String(error);
  const where = error.where === undefined ? '' : ` (${error.where})`;
  return `${error.message}${where}${error.hint === undefined ? '' : `: ${error.hint}`}`;
}

/**
 * The result of `use`. If it fails, the caller can go on without it: `what` and the error are logged, and the result is
 * undefined. A defect is thrown on.
 */
export function orLog<T>(box: Box, priority: Priority, what: string, use: () => T): T | undefined {
  try {
    return use();
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    box.log(priority, `${what}: ${describeError(error)}`);
    return undefined;
  }
}

/** The text of a file; undefined if it does not exist. */
export function readTextIfThere(box: Box, path: string): string | undefined {
  return box.stat(path) === undefined ? undefined : box.readText(path);
}

/** Seconds since the boot. */
export const uptime = (box: Box): number => Number.parseFloat(readTextIfThere(box, '/proc/uptime') ?? '0');

/** Runs a program that must succeed. Returns its stdout. `what`: the action, for the error. */
export function mustRun(box: Box, what: string, argv: readonly string[], options?: RunOptions): string {
  const ran = box.run(argv, options);
  if (ran.code !== 0) throw new BoxError(`${what}: ${whyFailed(argv, ran)}`);
  return ran.stdout;
}

/** The reason of a program's failure: the last lines of its stderr. */
export function whyFailed(argv: readonly string[], { code, stdout, stderr }: Ran): string {
  const said = (stderr.trim() === '' ? stdout : stderr).trim().split('\n').slice(-3).join('; ');
  return `${argv[0]} ended with ${code}${said === '' ? '' : `: ${said}`}`;
}

/** The folder of a path: `/a/b` → `/a`. */
export function folderOf(path: string): string {
  const end = path.lastIndexOf('/');
  return end <= 0 ? '/' : path.slice(0, end);
}

/** All folders above a path, the outermost first, without `/`: `/a/b/c` → `/a`, `/a/b`. */
export function foldersAbove(path: string): string[] {
  const folder = folderOf(path);
  return folder === '/' ? [] : [...foldersAbove(folder), folder];
}

/** The last part of a path: `/a/b` → `b`. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Removes a file or a folder with all that is in it. */
export function removeTree(box: Box, path: string): void {
  if (box.lstat(path)?.type === 'directory')
    for (const name of box.list(path)) removeTree(box, `${path}/${name}`);
  box.remove(path);
}

let scratches = 0;

/**
 * A folder for the temporary files of one task. No other task and no other process uses it. `name`: of the task.
 * Folders of killed processes are removed, because /run is in memory.
 */
export function withScratch<T>(box: Box, name: string, use: (folder: string) => T): T {
  const all = '/run/draisine/scratch';
  box.makeFolder(all, 0o700);
  for (const left of box.list(all)) {
    const [pid = ''] = left.split('.');
    if (pid !== box.processId() && box.stat(`/proc/${pid}`) === undefined) removeTree(box, `${all}/${left}`);
  }
  const folder = `${all}/${box.processId()}.${name}.${scratches++}`;
  box.makeFolder(folder, 0o700);
  try {
    return use(folder);
  } finally {
    removeTree(box, folder);
  }
}

/** syslog(3) priorities that the box uses, as sd-daemon(3) writes them in front of a line. */
export const PRIORITIES = { error: 3, warning: 4, notice: 5, info: 6, debug: 7 } as const;

/** How important a line of the journal is (syslog(3)). */
export type Priority = keyof typeof PRIORITIES;

/** What stat(2) says of a file. */
export interface FileInfo {
  readonly type: 'file' | 'directory' | 'symlink' | 'block' | 'other';
  /** Bytes; of a block device 0, as stat(2) says: open it for its size. */
  readonly size: number;
  /** The twelve permission bits. */
  readonly mode: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

/** An open file or block device. */
export interface RandomAccess {
  /** Bytes. */
  readonly size: number;
  /** Exactly `length` bytes; less of them there is a `BoxError`. */
  read(offset: number, length: number): Uint8Array;
  write(offset: number, bytes: Uint8Array): void;
  /** What was written is on the disk (fsync(2)). */
  sync(): void;
  close(): void;
}

/** How a program runs. */
export interface RunOptions {
  readonly stdin?: string | Uint8Array;
  /** Added to the environment of the box's own process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** A file that takes stdout instead of `Ran.stdout`; made anew, 0600. */
  readonly stdoutFile?: string;
  /** After it the program is ended, and `code` is 124 (timeout(1)). */
  readonly timeoutSeconds?: number;
}

/** How a program ended, and what it has printed. */
export interface Ran {
  /** Exit code; 127: there is no such program; 128 + N: ended by signal N. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a file is written. */
export interface WriteOptions {
  /** Permission bits; default 0644. */
  readonly mode?: number;
  /** Whether it must survive a power cut; default true. False for files below /run. */
  readonly durable?: boolean;
}

/**
 * All that code on the box knows of the world, and nothing asynchronous. On the box QuickJS is behind it, in tests
 * Node on a folder, in unit tests and simulations a box that is made up. Paths are absolute. What fails is a
 * `BoxError`.
 */
export interface Box {
  /** The clock: milliseconds since 1970. It may be wrong: see `trustedTime`. */
  now(): number;
  /** Milliseconds that never go back, from some time on. */
  monotonic(): number;
  sleep(milliseconds: number): void;

  readFile(path: string): Uint8Array;
  readText(path: string): string;
  /** Whole or not at all: temporary name in the same folder, fsync(2), rename(2). Folders above must exist. */
  writeFile(path: string, content: string | Uint8Array, options?: WriteOptions): void;
  /** Names in a folder, sorted by bytes, without `.` and `..`. */
  list(path: string): string[];
  /** Follows links. Undefined: nothing is there. */
  stat(path: string): FileInfo | undefined;
  /** Of a link itself. */
  lstat(path: string): FileInfo | undefined;
  readLink(path: string): string;
  /** Makes it with those above it. It may exist. */
  makeFolder(path: string, mode?: number): void;
  /** In the place of what has that name. */
  symlink(target: string, path: string): void;
  rename(from: string, to: string): void;
  /** A file, a link, an empty folder. It may be gone already. */
  remove(path: string): void;
  /** fsync(2) of a file or folder. */
  sync(path: string): void;
  open(path: string, mode: 'read' | 'write'): RandomAccess;

  /** Runs a program to its end; it is looked for in PATH. That it fails is not an error. */
  run(argv: readonly string[], options?: RunOptions): Ran;
  /** One line to the journal; to the terminal as well when a person is there. */
  log(priority: Priority, text: string): void;
  /** 32 hexadecimal digits (machine-id(5)). */
  machineId(): string;
  environment(name: string): string | undefined;
}

/** What went wrong, for a person: what, where, what to do about it. */
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

/** The text of a file, or undefined when there is none. */
export function readTextIfThere(box: Box, path: string): string | undefined {
  return box.stat(path) === undefined ? undefined : box.readText(path);
}

/** Runs a program that must end well. Returns its stdout. `what` it was for: in the error. */
export function mustRun(box: Box, what: string, argv: readonly string[], options?: RunOptions): string {
  const ran = box.run(argv, options);
  if (ran.code !== 0) throw new BoxError(`${what}: ${whyFailed(argv, ran)}`);
  return ran.stdout;
}

/** Why a program failed, in its own words: the last lines of stderr. */
export function whyFailed(argv: readonly string[], { code, stdout, stderr }: Ran): string {
  const said = (stderr.trim() === '' ? stdout : stderr).trim().split('\n').slice(-3).join('; ');
  return `${argv[0]} ended with ${code}${said === '' ? '' : `: ${said}`}`;
}

/** The folder of a path: `/a/b` → `/a`. */
export function folderOf(path: string): string {
  const end = path.lastIndexOf('/');
  return end <= 0 ? '/' : path.slice(0, end);
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

/** The modules `std` and `os` of QuickJS 2025-04-26, what we use of them. The bundle maps these names to theirs. */
declare module 'quickjs-std' {
  interface File {
    close(): number;
    puts(text: string): void;
    flush(): void;
    fileno(): number;
    getline(): string | null;
  }
  export const SEEK_SET: number;
  export const SEEK_END: number;
  export const err: File;
  export const out: File;
  const input: File;

  export { input as in };
  export function exit(code: number): never;
  export function getenv(name: string): string | undefined;
  export function getenviron(): Record<string, string>;
  export function loadFile(path: string): string | null;
  export function strerror(code: number): string;
}

declare module 'quickjs-os' {
  interface Stat {
    readonly dev: number;
    readonly ino: number;
    readonly mode: number;
    readonly uid: number;
    readonly gid: number;
    readonly size: number;
    readonly mtime: number;
  }
  export const O_RDONLY: number;
  export const O_WRONLY: number;
  export const O_RDWR: number;
  export const O_CREAT: number;
  export const O_EXCL: number;
  export const O_TRUNC: number;
  export const S_IFMT: number;
  export const S_IFREG: number;
  export const S_IFDIR: number;
  export const S_IFLNK: number;
  export const S_IFBLK: number;
  /** A handle, or a negated errno. */
  export function open(path: string, flags: number, mode?: number): number;
  export function close(handle: number): number;
  export function seek(handle: number, offset: number, whence: number): number;
  export function read(handle: number, buffer: ArrayBufferLike, offset: number, length: number): number;
  export function write(handle: number, buffer: ArrayBufferLike, offset: number, length: number): number;
  export function remove(path: string): number;
  export function rename(from: string, to: string): number;
  export function mkdir(path: string, mode?: number): number;
  export function symlink(target: string, path: string): number;
  export function readlink(path: string): [string, number];
  export function readdir(path: string): [string[], number];
  export function stat(path: string): [Stat | null, number];
  export function lstat(path: string): [Stat | null, number];
  export function isatty(handle: number): boolean;
  export function getpid(): number;
  export function now(): number;
  export function sleep(milliseconds: number): void;
  export const WNOHANG: number;
  /** The number of the process that has ended (0: none, or a negated errno), and its status as of wait(2). */
  export function waitpid(process: number, options: number): [number, number];
  /** Exit code, or a negated signal number. Without `block`: the number of the process. */
  export function exec(
    argv: readonly string[],
    options?: {
      readonly block?: boolean;
      readonly stdin?: number;
      readonly stdout?: number;
      readonly stderr?: number;
      readonly env?: Readonly<Record<string, string>>;
      readonly cwd?: string;
    },
  ): number;
}

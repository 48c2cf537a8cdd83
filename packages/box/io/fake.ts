import {
  type Box,
  BoxError,
  type FileInfo,
  folderOf,
  type Priority,
  type Ran,
  type RunOptions,
} from './box.ts';
import { decodeUtf8, encodeUtf8 } from './utf8.ts';

/** The outcome of a program of a fake box. `bytes`: its stdout, if that is not text. */
export type FakeRan = Partial<Ran> & { readonly bytes?: Uint8Array };

/** A program of a fake box: returns its outcome, or only its output. */
export type FakeProgram = (argv: readonly string[], options: RunOptions, box: FakeBox) => string | FakeRan;

interface Node {
  readonly type: 'file' | 'directory' | 'symlink' | 'block';
  bytes: Uint8Array;
  readonly target: string;
  readonly mode: number;
  /** Numbers of the owner, `UID:GID`. */
  readonly owner: string;
  readonly modified: number;
}

/** Decides whether a call of the box fails, and with which code. */
export type FailureOf = (call: 'read' | 'write' | 'remove' | 'run', what: string) => string | undefined;

/**
 * A fake box: files in memory, a clock that only `sleep` and `advance` move, programs that are functions.
 * An unknown program ends with code 127, as a missing one does on a real box.
 */
export class FakeBox implements Box {
  readonly nodes = new Map<string, Node>();
  readonly programs = new Map<string, FakeProgram>();
  readonly logged: { readonly priority: Priority; readonly text: string }[] = [];
  /** Every program that was run. */
  readonly ran: (readonly string[])[] = [];
  readonly environmentOf: Record<string, string> = {};
  id = '0123456789abcdef0123456789abcdef';
  fails: FailureOf = () => undefined;
  #now: number;
  #monotonic = 0;

  constructor(now: number | string = '2026-11-29T12:00:00Z') {
    this.#now = typeof now === 'number' ? now : Date.parse(now);
    this.nodes.set('/', node('directory', { mode: 0o755 }));
  }

  /** Lets time pass. */
  advance(milliseconds: number): void {
    this.#now += milliseconds;
    this.#monotonic += milliseconds;
  }

  /** Sets the clock. */
  setClock(now: number | string): void {
    this.#now = typeof now === 'number' ? now : Date.parse(now);
  }

  /** Adds files by path, and their folders. */
  put(files: Readonly<Record<string, string | Uint8Array>>): this {
    for (const [path, content] of Object.entries(files)) {
      this.makeFolder(folderOf(path));
      this.nodes.set(path, node('file', { bytes: toBytes(content), modified: this.#now }));
    }
    return this;
  }

  putDevice(path: string, bytes: Uint8Array): this {
    this.makeFolder(folderOf(path));
    this.nodes.set(path, node('block', { bytes, mode: 0o660 }));
    return this;
  }

  program(name: string, program: FakeProgram): this {
    this.programs.set(name, program);
    return this;
  }

  /** Lines of the journal with at least a priority. */
  journal(priority?: Priority): string[] {
    return this.logged
      .filter((line) => priority === undefined || line.priority === priority)
      .map(({ text }) => text);
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  sleep(milliseconds: number): void {
    this.advance(milliseconds);
  }

  readFile(path: string): Uint8Array {
    this.#mayFail('read', path);
    const found = this.#follow(path);
    if (!found) throw new BoxError('cannot read: No such file or directory', { code: 'ENOENT', where: path });
    if (found.type === 'directory')
      throw new BoxError('cannot read: Is a directory', { code: 'EISDIR', where: path });
    return found.bytes.slice();
  }

  readText(path: string): string {
    return decodeUtf8(this.readFile(path));
  }

  writeFile(
    path: string,
    content: string | Uint8Array,
    { mode = 0o644 }: { readonly mode?: number } = {},
  ): void {
    this.#mayFail('write', path);
    this.#needFolder(path);
    this.nodes.set(path, node('file', { bytes: toBytes(content), mode, modified: this.#now }));
  }

  list(path: string): string[] {
    if (this.#follow(path)?.type !== 'directory')
      throw new BoxError('cannot list a folder', { code: 'ENOENT', where: path });
    const prefix = path === '/' ? '/' : `${path}/`;
    return [...this.nodes.keys()]
      .filter((each) => each !== '/' && each.startsWith(prefix) && !each.slice(prefix.length).includes('/'))
      .map((each) => each.slice(prefix.length))
      .sort();
  }

  stat(path: string): FileInfo | undefined {
    return infoOf(this.#follow(path));
  }

  lstat(path: string): FileInfo | undefined {
    return infoOf(this.nodes.get(path));
  }

  readLink(path: string): string {
    const found = this.nodes.get(path);
    if (found?.type !== 'symlink') throw new BoxError('not a link', { code: 'EINVAL', where: path });
    return found.target;
  }

  makeFolder(path: string, mode = 0o755): void {
    const found = this.#follow(path);
    if (found?.type === 'directory') return;
    if (found) throw new BoxError('cannot make a folder: File exists', { code: 'EEXIST', where: path });
    this.makeFolder(folderOf(path));
    this.nodes.set(path, node('directory', { mode, modified: this.#now }));
  }

  symlink(target: string, path: string): void {
    this.#needFolder(path);
    this.nodes.set(path, node('symlink', { target }));
  }

  rename(from: string, to: string): void {
    this.#mayFail('write', to);
    const moved = this.nodes.get(from);
    if (!moved)
      throw new BoxError('cannot rename: No such file or directory', { code: 'ENOENT', where: from });
    for (const [path, each] of [...this.nodes]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue;
      this.nodes.delete(path);
      this.nodes.set(to + path.slice(from.length), each);
    }
  }

  remove(path: string): void {
    this.#mayFail('remove', path);
    if (this.nodes.get(path)?.type === 'directory' && this.list(path).length > 0)
      throw new BoxError('cannot remove: Directory not empty', { code: 'ENOTEMPTY', where: path });
    this.nodes.delete(path);
  }

  sync(path: string): void {
    this.#mayFail('write', path);
  }

  open(path: string, _mode: 'read' | 'write') {
    const file = this.#follow(path);
    if (!file) throw new BoxError('cannot open: No such file or directory', { code: 'ENOENT', where: path });
    return {
      size: file.bytes.length,
      read: (offset: number, length: number) => {
        this.#mayFail('read', path);
        if (offset + length > file.bytes.length)
          throw new BoxError('the file ends too soon', { code: 'EIO', where: path });
        return file.bytes.slice(offset, offset + length);
      },
      write: (offset: number, bytes: Uint8Array) => {
        this.#mayFail('write', path);
        file.bytes.set(bytes, offset);
      },
      sync: () => this.sync(path),
      close: () => {},
    };
  }

  run(argv: readonly string[], options: RunOptions = {}): Ran {
    this.ran.push(argv);
    this.#mayFail('run', argv.join(' '));
    const [name = ''] = argv;
    const program = this.programs.get(name);
    if (!program) return { code: 127, stdout: '', stderr: `${name}: not found` };
    const result = program(argv, options, this);
    const { bytes, ...given } = typeof result === 'string' ? { stdout: result } : (result as FakeRan);
    const ran = { code: 0, stdout: '', stderr: '', ...given };
    if (options.stdoutFile === undefined) return ran;
    this.writeFile(options.stdoutFile, bytes ?? ran.stdout, { mode: 0o600 });
    return { ...ran, stdout: '' };
  }

  log(priority: Priority, text: string): void {
    this.logged.push({ priority, text });
  }

  processId(): string {
    return this.nodes.get('/proc/self')?.target ?? '42';
  }

  machineId(): string {
    return this.id;
  }

  environment(name: string): string | undefined {
    return this.environmentOf[name];
  }

  #follow(path: string, depth = 0): Node | undefined {
    const found = this.nodes.get(path);
    if (found?.type !== 'symlink' || depth > 8) return found;
    return this.#follow(
      found.target.startsWith('/') ? found.target : `${folderOf(path)}/${found.target}`,
      depth + 1,
    );
  }

  #needFolder(path: string): void {
    if (this.#follow(folderOf(path))?.type !== 'directory')
      throw new BoxError('cannot write: No such file or directory', { code: 'ENOENT', where: path });
  }

  #mayFail(call: Parameters<FailureOf>[0], what: string): void {
    const code = this.fails(call, what);
    if (code !== undefined) throw new BoxError(`cannot ${call}: ${code}`, { code, where: what });
  }
}

const toBytes = (content: string | Uint8Array) =>
  typeof content === 'string' ? encodeUtf8(content) : content.slice();

function node(type: Node['type'], parts: Partial<Omit<Node, 'type'>>): Node {
  return { bytes: new Uint8Array(0), target: '', mode: 0o644, owner: '0:0', modified: 0, ...parts, type };
}

function infoOf(found: Node | undefined): FileInfo | undefined {
  if (!found) return undefined;
  const { type, mode, modified, bytes, owner } = found;
  const [uid = 0, gid = 0] = owner.split(':').map(Number);
  return { type, mode, uid, gid, modified, size: type === 'block' ? 0 : bytes.length };
}

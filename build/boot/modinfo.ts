import { Failure } from '../../sdk/lib/errors.ts';

/** The strings of a kernel module's .modinfo section, by tag: `depends`, `softdep`, `vermagic`, `version`, … */
export type ModInfo = ReadonlyMap<string, readonly string[]>;

/** Reads .modinfo of an uncompressed ELF64 little-endian kernel module (modinfo(8), elf(5)). `name` is for errors. */
export function readModInfo(module: Buffer, name: string): ModInfo {
  const section = findSection(module, '.modinfo', name);
  const info = new Map<string, string[]>();
  for (const line of section.toString('latin1').split('\0')) {
    const equals = line.indexOf('=');
    if (equals < 0) continue;
    const tag = line.slice(0, equals);
    const values = info.get(tag) ?? [];
    values.push(line.slice(equals + 1));
    info.set(tag, values);
  }
  return info;
}

const SECTION_HEADER = 64;

function findSection(elf: Buffer, wanted: string, name: string): Buffer {
  if (elf.length < 64 || elf.readUInt32BE(0) !== 0x7f454c46 || elf[4] !== 2)
    throw new Failure('not an ELF64 kernel module', { where: name });
  const part = (offset: number, length: number) => {
    if (offset + length <= elf.length) return elf.subarray(offset, offset + length);
    throw new Failure(`a truncated kernel module: it ends after ${elf.length} bytes`, {
      where: name,
      hint: 'its package or recipe is damaged: fetch or build it again',
    });
  };
  const table = Number(elf.readBigUInt64LE(0x28));
  const size = Math.max(elf.readUInt16LE(0x3a), SECTION_HEADER);
  const count = elf.readUInt16LE(0x3c);
  const header = (index: number) => part(table + index * size, size);
  const body = (of: Buffer) => part(Number(of.readBigUInt64LE(0x18)), Number(of.readBigUInt64LE(0x20)));
  const names = body(header(elf.readUInt16LE(0x3e)));
  for (let index = 0; index < count; index++) {
    const start = header(index).readUInt32LE(0);
    if (names.toString('latin1', start, names.indexOf(0, start)) === wanted) return body(header(index));
  }
  throw new Failure(`no ${wanted} section`, { where: name });
}

/** Names of the modules that must be loaded before a module: `depends`, and the `pre:` part of its soft dependencies. */
export function modulesNeeded(info: ModInfo): {
  readonly hard: readonly string[];
  readonly soft: readonly string[];
} {
  const hard = (info.get('depends')?.[0] ?? '').split(',').filter((name) => name !== '');
  const soft = (info.get('softdep') ?? []).flatMap((line) => {
    const pre = /pre:\s*([^:]*?)(?:\s*post:|$)/.exec(line);
    return pre?.[1]?.split(/\s+/).filter((name) => name !== '') ?? [];
  });
  return { hard: hard.map(moduleName), soft: soft.map(moduleName) };
}

/** `kernel/fs/foo-bar.ko.xz` → `foo_bar`. The kernel does not distinguish - and _. */
export function moduleName(path: string): string {
  return (path.split('/').at(-1) ?? path).replace(/\.ko(\.xz|\.zst|\.gz)?$/, '').replaceAll('-', '_');
}

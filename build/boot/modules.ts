import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { badInput, Failure } from '../../sdk/lib/errors.ts';
import { byteOrder, canonicalJson } from '../../sdk/lib/files.ts';
import { runTool } from '../../sdk/tool.ts';
import { readPackage } from '../debian/package.ts';
import { recipe, type Target } from '../graph/target.ts';
import { type BlobPath, openContents } from '../tree/content.ts';
import type { Entry, Tree } from '../tree/entry.ts';
import { BUILTIN_INDEXES, MODULE_INDEXES, runDepmod } from './depmod.ts';
import { type ModInfo, moduleName, modulesNeeded, readModInfo } from './modinfo.ts';

/** The package's lists of built-in modules. */
const BUILTIN = ['modules.builtin', 'modules.builtin.modinfo'];

interface Module {
  readonly name: string;
  readonly path: string;
  readonly bytes: Buffer;
  readonly info: ModInfo;
  readonly origin: string;
}

/**
 * The named modules of a kernel package with their dependencies, the modules of `extra`, and depmod's indexes. Modules
 * are not compressed: the file system compresses them, and so a machine decompresses once, not twice. Output: `Tree`.
 * Refuses extra modules that were built for another kernel.
 */
export const moduleSet = recipe<{
  /** A `Package`: the kernel. */
  kernel: Target;
  /** `Tree`s with modules below usr/lib/modules/RELEASE that recipes have built. All of them are taken. */
  extra: readonly Target[];
  /** Names of modules, or all modules of the kernel. */
  names: readonly string[] | 'all';
  sdk: Target;
  sdkXz: Target;
}>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out, scratch, signal, blob, add }) {
    const kernel = await readPackage(inputs.kernel.path);
    const release = kernelRelease(kernel.entries, kernel.name);
    const root = `usr/lib/modules/${release}`;
    const shipped = kernel.entries.map((entry) => ({
      ...entry,
      path: entry.path.replace(/^lib\//, 'usr/lib/'),
    }));
    const contents = await openContents({ entries: shipped }, blob);
    try {
      const extra: Module[] = [];
      for (const target of inputs.extra)
        extra.push(...(await extraModules(target.path, root, release, blob)));
      const source = sourceOf(shipped, root, contents.read);
      const fetch = async (files: readonly FileEntry[]) =>
        await decompress(files, contents.read, inputs.sdkXz.path, join(scratch, 'xz'), signal);
      const { chosen, missing } = await chooseModules(inputs.names, extra, source, fetch);
      if (missing.length > 0) {
        throw badInput(`${kernel.name} has no module ${missing.sort(byteOrder).join(', ')}`, {
          where: 'modules of the image',
          hint: 'correct the names (modinfo), or remove them',
        });
      }
      checkVermagic(chosen);

      const modules = [...chosen.values()].sort((a, b) => byteOrder(a.path, b.path));
      const below = (path: string) => path.slice(root.length + 1);
      const read = (name: string) => {
        const entry = shipped.find(({ path }) => path === `${root}/${name}`);
        if (entry?.type !== 'file') throw new Failure(`${kernel.name} ships no ${name}`, { where: root });
        return contents.read(entry.content);
      };
      const indexes = await runDepmod({
        sdk: inputs.sdk.path,
        release,
        files: [
          ...modules.map(({ path, bytes }) => [below(path), bytes] as const),
          ...BUILTIN.map((name) => [name, read(name)] as const),
        ],
        order: read('modules.order').toString().split('\n').filter(Boolean),
        folder: join(scratch, 'depmod'),
        signal,
      });

      const entries: Entry[] = [];
      const put = async (path: string, bytes: Buffer, origin: string) => {
        const digest = await add(bytes);
        const content = { blob: digest, offset: 0, size: bytes.length, sha256: digest };
        entries.push({ path, type: 'file', mode: 0o644, uid: 0, gid: 0, origin, content });
      };
      for (const { path, bytes, origin } of modules) await put(path, bytes, origin);
      for (const name of [...BUILTIN_INDEXES, ...MODULE_INDEXES].sort(byteOrder))
        await put(`${root}/${name}`, await indexes(name), 'depmod');
      await writeFile(out, canonicalJson({ entries } satisfies Tree));
    } finally {
      contents.close();
    }
  },
});

type FileEntry = Extract<Entry, { type: 'file' }>;

/** The modules of a kernel package: files by module name, and the names of built-in modules. */
interface ModuleSource {
  readonly byName: ReadonlyMap<string, FileEntry>;
  readonly builtin: ReadonlySet<string>;
}

function sourceOf(
  shipped: readonly Entry[],
  root: string,
  read: (content: FileEntry['content']) => Buffer,
): ModuleSource {
  const byName = new Map<string, FileEntry>();
  const builtin = new Set<string>();
  for (const entry of shipped) {
    if (entry.type !== 'file') continue;
    if (/\.ko(\.xz)?$/.test(entry.path) && entry.path.startsWith(`${root}/`))
      byName.set(moduleName(entry.path), entry);
    else if (entry.path === `${root}/modules.builtin`) {
      for (const line of read(entry.content).toString().split('\n')) builtin.add(moduleName(line));
    }
  }
  return { byName, builtin };
}

/**
 * All of `extra`, the named modules, and the dependencies of both, by name. `missing`: modules that the kernel lacks.
 * `fetch` unpacks modules, one batch at a time.
 */
async function chooseModules(
  names: readonly string[] | 'all',
  extra: readonly Module[],
  { byName, builtin }: ModuleSource,
  fetch: (files: readonly FileEntry[]) => Promise<readonly Module[]>,
): Promise<{ chosen: Map<string, Module>; missing: string[] }> {
  const chosen = new Map(extra.map((module) => [module.name, module]));
  const named = names === 'all' ? [...byName.keys()] : names.map(moduleName);
  const wanted = new Set(named);
  for (const module of extra) for (const name of needs(module.info)) wanted.add(name);
  const unknown: string[] = [];
  let round = [...wanted].filter((name) => !chosen.has(name));
  while (round.length > 0) {
    const batch: FileEntry[] = [];
    for (const name of round) {
      const entry = byName.get(name);
      if (entry) batch.push(entry);
      else if (!builtin.has(name)) unknown.push(name);
    }
    const next = new Set<string>();
    for (const module of await fetch(batch)) {
      chosen.set(module.name, module);
      for (const name of needs(module.info)) if (!chosen.has(name)) next.add(name);
    }
    round = [...next].filter((name) => !chosen.has(name));
  }
  // A soft dependency may name an algorithm, or a module that this kernel lacks. Other dependencies may not.
  const firm = new Set(named);
  for (const module of chosen.values()) for (const name of modulesNeeded(module.info).hard) firm.add(name);
  return { chosen, missing: unknown.filter((name) => firm.has(name)) };
}

/** The kernel image of a kernel package (boot/vmlinuz-RELEASE). */
export const kernelImage = recipe<{ kernel: Target }>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out, blob }) {
    await writeFile(out, await bootFile(inputs.kernel.path, 'vmlinuz', blob));
  },
});

/** The configuration of a kernel package (boot/config-RELEASE). */
export const kernelConfiguration = recipe<{ kernel: Target }>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out, blob }) {
    await writeFile(out, await bootFile(inputs.kernel.path, 'config', blob));
  },
});

async function bootFile(document: string, kind: string, blob: BlobPath): Promise<Buffer> {
  const kernel = await readPackage(document);
  const wanted = `boot/${kind}-${kernelRelease(kernel.entries, kernel.name)}`;
  const entry = kernel.entries.find(({ path }) => path === wanted);
  if (entry?.type !== 'file') throw new Failure(`no /${wanted} in the package`, { where: kernel.name });
  const contents = await openContents({ entries: [entry] }, blob);
  try {
    return contents.read(entry.content);
  } finally {
    contents.close();
  }
}

/** The one kernel release of a kernel package, from the name of its boot/vmlinuz-…. */
export function kernelRelease(entries: readonly Entry[], where: string): string {
  const releases = entries.flatMap(({ path }) => /^boot\/vmlinuz-(.+)$/.exec(path)?.[1] ?? []);
  if (releases.length !== 1 || !releases[0])
    throw new Failure(`expected one kernel, found ${releases.length}`, { where });
  return releases[0];
}

function needs(info: ModInfo): string[] {
  const { hard, soft } = modulesNeeded(info);
  return [...hard, ...soft];
}

async function decompress(
  entries: readonly Extract<Entry, { type: 'file' }>[],
  read: (content: Extract<Entry, { type: 'file' }>['content']) => Buffer,
  sdkXz: string,
  folder: string,
  signal: AbortSignal,
): Promise<Module[]> {
  if (entries.length === 0) return [];
  await mkdir(folder, { recursive: true });
  const files = entries.map((entry) => ({ entry, file: join(folder, entry.path.split('/').at(-1) ?? '') }));
  for (const { entry, file } of files) await writeFile(file, read(entry.content));
  const compressed = files.filter(({ file }) => file.endsWith('.xz')).map(({ file }) => file);
  if (compressed.length > 0) await runTool(sdkXz, 'xz', ['-d', '-T0', ...compressed], { signal });
  const modules: Module[] = [];
  for (const { entry, file } of files) {
    const bytes = await readFile(file.replace(/\.xz$/, ''));
    const path = entry.path.replace(/\.xz$/, '');
    modules.push({
      name: moduleName(path),
      path,
      bytes,
      info: readModInfo(bytes, path),
      origin: entry.origin,
    });
  }
  return modules;
}

async function extraModules(
  document: string,
  root: string,
  release: string,
  blob: (digest: string) => Promise<string>,
): Promise<Module[]> {
  const tree = JSON.parse(await readFile(document, 'utf8')) as Tree;
  const contents = await openContents(tree, blob);
  try {
    return tree.entries.flatMap((entry) => {
      if (entry.type !== 'file') return [];
      if (!entry.path.startsWith(`${root}/`)) {
        throw badInput(`${entry.path} was built for another kernel than ${release}`, {
          where: entry.origin,
          hint: 'build the modules against the headers of this kernel: lock both in the same version (draisine lock --update)',
        });
      }
      const bytes = contents.read(entry.content);
      return [
        {
          name: moduleName(entry.path),
          path: entry.path,
          bytes,
          info: readModInfo(bytes, entry.path),
          origin: entry.origin,
        },
      ];
    });
  } finally {
    contents.close();
  }
}

/** All modules of a set must have the same vermagic. Otherwise the kernel refuses to load some of them. */
function checkVermagic(modules: ReadonlyMap<string, Module>): void {
  const counts = new Map<string, Module[]>();
  for (const module of modules.values()) {
    const magic = module.info.get('vermagic')?.[0] ?? '(none)';
    counts.set(magic, [...(counts.get(magic) ?? []), module]);
  }
  if (counts.size <= 1) return;
  const [, ...odd] = [...counts.entries()].sort(([, a], [, b]) => b.length - a.length);
  throw badInput(
    `modules of different kernels: ${odd.map(([magic, list]) => `${list.map(({ name }) => name).join(', ')} (vermagic ${magic.trim()})`).join('; ')}`,
    {
      where: 'modules of the image',
      hint: 'build them against the headers of the image’s kernel, with its configuration',
    },
  );
}

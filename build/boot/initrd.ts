import { createWriteStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { badInput, Failure } from '../../sdk/lib/errors.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import { runTool } from '../../sdk/tool.ts';
import { type Plain, recipe, type Source, type Target } from '../graph/target.ts';
import { type ContentReader, openContents } from '../tree/content.ts';
import { cutArchives, treeToCpio } from '../tree/cpio.ts';
import type { Entry, Tree } from '../tree/entry.ts';
import { libraryClosure } from '../tree/libraries.ts';
import { type Index, indexTree, lookUp } from '../tree/lookup.ts';
import { mergeLayers } from '../tree/merge.ts';
import { inlineContent, readOverlay } from '../tree/overlay.ts';
import { baseOf, MERGED_USR, parentOf } from '../tree/paths.ts';
import { BUILTIN_INDEXES, MODULE_INDEXES, runDepmod } from './depmod.ts';
import { initrdPieces } from './initrd-pieces.ts';
import { moduleName, readModInfo } from './modinfo.ts';

/** The parts of the image's tree that go into the initrd. Paths have the form of `Entry.path`. */
export interface InitrdPlan {
  /** Programs. The libraries that they need are added. */
  readonly binaries: readonly string[];
  /** Sonames of libraries that are opened with dlopen(3), and that no program names in its ELF header. */
  readonly libraries: readonly string[];
  /** Further files and symlinks. */
  readonly files: readonly string[];
  /** systemd units of the image, by name. */
  readonly units: readonly string[];
  readonly links: Readonly<Record<string, string>>;
  readonly directories: readonly string[];
}

const LIBRARIES = 'usr/lib/x86_64-linux-gnu';
const UNITS = 'usr/lib/systemd/system';

// A type alias, because the types of recipe inputs do not accept interfaces.
type InitrdParts = {
  /** `Tree` of the image. */
  tree: Target;
  plan: Plain<InitrdPlan>;
  modules: readonly string[];
  /**
   * The initrd that is loaded before this one. Its files are left out here. Its modules are also in the indexes of the
   * new initrd, which replace the earlier indexes. Null: there is no other initrd.
   */
  after: { readonly plan: Plain<InitrdPlan>; readonly modules: readonly string[] } | null;
  overlay: Source;
  /** Names of source packages by names of packages. The files of one source package are in one piece. */
  sources: Readonly<Record<string, string>>;
  sdk: Target;
  epoch: number;
};

/**
 * The initrd: a part of the image's tree, modules by name with what they depend on, and an overlay. No dracut, no
 * initramfs-tools, and no program of the image runs on the building machine. It is a row of cpio archives, each compressed
 * by itself (kernel documentation, driver-api/early-userspace, buffer format), so that an update changes the bytes of some
 * archives only. The archives and their compression are two targets: most changes of an image leave the archives unchanged,
 * and then the slow compression does not run again.
 */
export function initrd(name: string, { level, ...parts }: InitrdParts & { readonly level: number }): Target {
  return compressed(name, { archive: initrdArchive(`${name}.cpio`, parts), sdk: parts.sdk, level });
}

/** The window stays at zstd's default size, because the kernel needs memory for it. */
const compressed = recipe<{ archive: Target; sdk: Target; level: number }>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out, scratch, signal }) {
    const { archive, sdk, level } = inputs;
    const names: string[] = [];
    for (const bytes of cutArchives(await readFile(archive.path))) {
      names.push(join(scratch, String(names.length)));
      await writeFile(names.at(-1)!, bytes);
    }
    // zstd makes a frame of each file. Without -f it asks whether the names of the files may be lost.
    await runTool(sdk.path, 'zstd', ['-qf', '-T2', `-${level}`, ...names, '-o', out], { signal });
  },
});

/** The initrd without compression. */
export const initrdArchive = recipe<InitrdParts>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out, scratch, signal, blob }) {
    const { plan } = inputs;
    const usr = JSON.parse(await readFile(inputs.tree.path, 'utf8')) as Tree;
    const common = { uid: 0, gid: 0, origin: 'initrd plan' };
    const aliases = MERGED_USR.map(
      (path): Entry => ({ ...common, type: 'symlink', path, target: `usr/${path}`, mode: 0o777 }),
    );
    // The image's tree has /usr only, but program headers name /lib64/….
    const tree: Tree = { entries: [...aliases, ...usr.entries].sort((a, b) => byteOrder(a.path, b.path)) };
    const contents = await openContents(tree, blob);
    try {
      const named = [...(inputs.after?.modules ?? []), ...inputs.modules];
      const modules = pickModules(tree, named, contents);
      const picked = pickFiles(tree, plan, modules, contents);
      const indexes = await ownIndexes(modules, picked, contents, { sdk: inputs.sdk.path, scratch, signal });
      if (inputs.after) {
        const there = pickModules(tree, inputs.after.modules, contents);
        for (const path of pickFiles(tree, inputs.after.plan, there, contents).keys()) picked.delete(path);
      }
      const made: Entry[] = [
        ...Object.entries(plan.links).map(
          ([path, target]): Entry => ({ ...common, type: 'symlink', path, target, mode: 0o777 }),
        ),
        ...plan.directories.map((path): Entry => ({ ...common, type: 'dir', path, mode: 0o755 })),
      ];
      const merged = mergeLayers([
        { packages: [{ name: 'image', entries: [...picked.values()] }] },
        { overlay: 'depmod', entries: indexes },
        { overlay: 'initrd', entries: await readOverlay(inputs.overlay.path, 'initrd') },
        { overlay: 'initrd plan', entries: made },
      ]);
      const whole: Tree = {
        entries: [...merged.entries, ...aliases].sort((a, b) => byteOrder(a.path, b.path)),
      };
      for (const piece of initrdPieces(whole, inputs.sources)) {
        const archive = treeToCpio(piece, { blobPath: blob, mtime: inputs.epoch });
        await pipeline(archive, createWriteStream(out, { flags: 'a' }), { signal });
      }
    } finally {
      contents.close();
    }
  },
});

/** The files of a plan with the libraries of its programs and all links that lead to them, by path. */
function pickFiles(
  tree: Tree,
  plan: Plain<InitrdPlan>,
  modules: PickedModules,
  contents: ContentReader,
): Map<string, Entry> {
  const programs = [...plan.binaries, ...plan.libraries.map((soname) => `${LIBRARIES}/${soname}`)];
  const paths = new Set([
    ...programs,
    ...plan.files,
    ...plan.units.map((unit) => `${UNITS}/${unit}`),
    ...libraryClosure(tree, programs, (content) => contents.read(content)),
    ...modules.paths.map((path) => `${modules.root}/${path}`),
    ...BUILTIN_INDEXES.map((name) => `${modules.root}/${name}`),
  ]);
  const index = indexTree(tree);
  const picked = new Map<string, Entry>();
  for (const path of paths) {
    if (!path.startsWith('usr/')) continue; // an alias, added below
    const entry = index.get(path);
    const found = lookUp(index, path);
    if (!found)
      throw badInput(`/${path} is not in the image`, {
        where: 'plan of the initrd',
        hint: 'correct the plan, or include its package',
      });
    if (entry) picked.set(path, standalone(entry, index));
    for (const link of found.links) if (link.path.startsWith('usr/')) picked.set(link.path, link);
    picked.set(found.entry.path, standalone(found.entry, index));
  }
  for (const path of firmwareOf(index, picked, contents)) picked.set(path, index.get(path) as Entry);
  return picked;
}

/** The firmware that picked modules ask for, as far as the image carries it. */
function firmwareOf(index: Index, picked: ReadonlyMap<string, Entry>, contents: ContentReader): string[] {
  const names = new Set<string>();
  for (const { path, ...entry } of picked.values()) {
    if (entry.type !== 'file' || !path.endsWith('.ko')) continue;
    const bytes = contents.read(entry.content);
    for (const name of readModInfo(bytes, path).get('firmware') ?? []) names.add(name);
  }
  return [...names]
    .map((name) => `usr/lib/firmware/${name}`)
    .filter((path) => index.get(path)?.type === 'file');
}

/** Turns a hard link into the file itself, because its target may be left out. */
function standalone(entry: Entry, index: ReadonlyMap<string, Entry>): Entry {
  if (entry.type !== 'hardlink') return entry;
  const file = index.get(entry.target);
  return file?.type === 'file' ? { ...file, path: entry.path } : entry;
}

interface PickedModules {
  /** usr/lib/modules/RELEASE. */
  readonly root: string;
  /** Below `root`, in the order of the image's modules.dep. */
  readonly paths: readonly string[];
}

/** The named modules with all their dependencies, from modules.dep. */
function pickModules(tree: Tree, names: readonly string[], contents: ContentReader): PickedModules {
  const dep = tree.entries.find(({ path }) => /^usr\/lib\/modules\/[^/]+\/modules\.dep$/.test(path));
  if (dep?.type !== 'file')
    throw badInput('the image has no kernel modules', { where: 'plan of the initrd' });
  const dependencies = new Map<string, string[]>();
  const order: string[] = [];
  for (const line of contents.read(dep.content).toString().split('\n')) {
    const [path, rest] = line.split(':');
    if (!path || rest === undefined) continue;
    order.push(path);
    dependencies.set(moduleName(path), [path, ...rest.split(' ').filter((each) => each !== '')]);
  }
  const unknown = names.filter((name) => !dependencies.has(moduleName(name)));
  if (unknown.length > 0)
    throw badInput(`modules not in the image: ${unknown.join(', ')}`, {
      where: 'modules of the initrd',
      hint: 'add them to the modules of the image, or remove them here',
    });
  const wanted = new Set(names.flatMap((name) => dependencies.get(moduleName(name)) ?? []));
  return { root: parentOf(dep.path), paths: order.filter((path) => wanted.has(path)) };
}

/**
 * depmod's indexes over the modules of the initrd alone. With the indexes of the image, udev would try to load a driver
 * for every device, and report an error for each driver whose file is only in /usr.
 */
async function ownIndexes(
  { root, paths }: PickedModules,
  picked: ReadonlyMap<string, Entry>,
  contents: ContentReader,
  { sdk, scratch, signal }: { sdk: string; scratch: string; signal: AbortSignal },
): Promise<Entry[]> {
  const files = paths.map((path) => {
    const entry = picked.get(`${root}/${path}`);
    if (entry?.type !== 'file') throw new Failure(`${path} is not a file`, { where: root });
    return [path, contents.read(entry.content)] as const;
  });
  const folder = join(scratch, 'depmod');
  const read = await runDepmod({ sdk, release: baseOf(root), files, order: paths, folder, signal });
  return await Promise.all(
    MODULE_INDEXES.map(
      async (name): Promise<Entry> => ({
        path: `${root}/${name}`,
        type: 'file',
        mode: 0o644,
        uid: 0,
        gid: 0,
        origin: 'depmod',
        content: inlineContent(await read(name)),
      }),
    ),
  );
}

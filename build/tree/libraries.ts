import { Failure } from '../../sdk/lib/errors.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import { type DlopenNote, type ElfNeeds, isElf, readElf } from './elf.ts';
import type { Content, Entry, Tree } from './entry.ts';
import { type Found, type Index, indexTree, lookUp } from './lookup.ts';
import { parentOf } from './paths.ts';

/** Folders in which Debian's dynamic linker searches on amd64, after DT_RUNPATH (ld.so(8), /etc/ld.so.conf.d). */
const LIBRARY_FOLDERS = ['usr/lib/x86_64-linux-gnu', 'usr/lib64', 'usr/lib'];

export interface ClosureOptions {
  /** Include libraries for dlopen(3) from ELF notes of at least this priority. Default `required`. */
  readonly dlopen?: DlopenNote['priority'];
}

const PRIORITIES: readonly DlopenNote['priority'][] = ['required', 'recommended', 'suggested'];

/**
 * The paths that the programs at `paths` need: libraries and the dynamic linker, with all symlinks that lead to them,
 * transitively, sorted. A file that is not an ELF file needs nothing. If a path is a symlink, the result has it too.
 * A needed library that is not in the tree is a Failure that names the file and the soname. A missing dlopen library is
 * one only if its note says `required`.
 */
export function libraryClosure(
  tree: Tree,
  paths: Iterable<string>,
  readContent: (content: Content) => Buffer,
  { dlopen = 'required' }: ClosureOptions = {},
): string[] {
  const index = indexTree(tree);
  const wanted = PRIORITIES.slice(0, PRIORITIES.indexOf(dlopen) + 1);
  const given = new Set(paths);
  const result = new Set<string>();
  const known = new Map<string, ElfNeeds | undefined>();
  const needsOf = (entry: Entry): ElfNeeds | undefined => {
    if (known.has(entry.path)) return known.get(entry.path);
    const content = contentOf(index, entry);
    const data = content && readContent(content);
    const needs = data && isElf(data) ? readElf(data, `/${entry.path} of ${entry.origin}`) : undefined;
    known.set(entry.path, needs);
    return needs;
  };
  for (const path of given) {
    const found = lookUp(index, path);
    if (!found)
      throw new Failure(`/${path} is not in the tree`, { where: 'programs whose libraries are wanted' });
    for (const { entry, links } of load(index, found, needsOf, wanted)) {
      for (const link of links) result.add(link.path);
      result.add(entry.path);
    }
  }
  return [...result].filter((path) => !given.has(path)).sort(byteOrder);
}

/**
 * The files that the dynamic linker maps for one program, breadth first. It does not search again for a name that is
 * loaded already. systemd's own libraries find each other only because of this and the RUNPATH of the program.
 */
function load(
  index: Index,
  program: Found,
  needsOf: (entry: Entry) => ElfNeeds | undefined,
  wanted: readonly DlopenNote['priority'][],
): Found[] {
  const queue: Found[] = [program];
  const loaded = new Map<string, Found>();
  const visited = new Set<string>();
  for (const { entry } of queue) {
    const elf = visited.has(entry.path) ? undefined : needsOf(entry);
    visited.add(entry.path);
    if (!elf) continue;
    const missing = (what: string) =>
      new Failure(`/${entry.path} needs ${what}, which is not in the tree`, {
        where: entry.origin,
        hint: 'add the package that has it to the set, or take it out of the trims',
      });
    const find = (soname: string): Found | undefined => {
      const before = loaded.get(soname);
      if (before) return before;
      const found = findLibrary(index, soname, entry, elf.runpath);
      if (!found) return undefined;
      loaded.set(soname, found);
      queue.push(found);
      return found;
    };
    if (elf.interpreter) {
      const linker = lookUp(index, elf.interpreter);
      if (!linker) throw missing(elf.interpreter);
      queue.push(linker);
    }
    for (const soname of elf.needed) if (!find(soname)) throw missing(soname);
    for (const note of elf.dlopen) {
      if (!wanted.includes(note.priority) || note.soname.some(find) || note.priority !== 'required') continue;
      throw missing(`${note.soname.join(' or ')} (dlopen, ${note.feature ?? 'required'})`);
    }
  }
  return queue;
}

function contentOf(index: Index, entry: Entry): Content | undefined {
  const file = entry.type === 'hardlink' ? index.get(entry.target) : entry;
  return file?.type === 'file' ? file.content : undefined;
}

function findLibrary(
  index: Index,
  soname: string,
  user: Entry,
  runpath: readonly string[],
): Found | undefined {
  if (soname.includes('/')) return lookUp(index, soname);
  const origin = `/${parentOf(user.path)}`;
  const folders = runpath.map((folder) => folder.replace(/\$ORIGIN|\$\{ORIGIN\}/g, origin));
  for (const folder of [...folders, ...LIBRARY_FOLDERS]) {
    const found = lookUp(index, `${folder}/${soname}`);
    if (found && found.entry.type !== 'dir') return found;
  }
  return undefined;
}

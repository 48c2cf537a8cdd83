import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { badInput } from '../../sdk/lib/errors.ts';
import { byteOrder, type Sha256, sha256 } from '../../sdk/lib/files.ts';
import { type Facts, fileDigest, loadFacts, moduleFacts, saveFacts } from './facts.ts';
import { type NpmLock, npmDigest, packageName, readNpmLock } from './npm.ts';
import type { Imports } from './scan.ts';
import { type Stamp, stampOf } from './stamp.ts';
import { openStore } from './store.ts';

/** Reads the modules of one checkout and their imports. Digests are remembered between runs. */
export interface Sources {
  readonly checkout: string;
  /** The modules `entries` (paths from the checkout) and everything that they load, directly or not. */
  closure(entries: readonly string[], options?: ClosureOptions): Closure;
  /** Every file and link below a folder of the checkout, by path from the checkout, sorted. */
  filesBelow(folder: string): readonly string[];
  /** SHA-256 of a file, or of a link's target, by its path from the checkout, with what stat(2) says of it. */
  file(name: string): SourceFile;
  /**
   * The digest of an npm package of package-lock.json with all its dependencies. A package that is not there
   * has a fixed one.
   */
  npm(name: string): Sha256;
  /** Stores the digests for the next run. */
  save(): Promise<void>;
}

/** A source file: its SHA-256, and the stamp that shows a later run whether it has changed. */
export interface SourceFile {
  readonly digest: Sha256;
  /** Whether its owner may execute it. git keeps only this bit of the mode. */
  readonly executable: boolean;
  readonly stamp: Stamp | undefined;
}

/** Loads that the imports of a module do not show. */
export interface ClosureOptions {
  /**
   * Other modules that a module loads, as paths from the checkout. Undefined for a module with computed names
   * of imports whose targets are unknown.
   */
  readonly loads?: (name: string) => readonly string[] | undefined;
  /** Modules that are left out, together with modules that only they load. */
  readonly leftOut?: ReadonlySet<string>;
  /** Whether an import of one module by another does not count. */
  readonly cut?: (from: string, to: string) => boolean;
}

/** Everything that a module loads, directly or not. */
export interface Closure {
  /** By path from the checkout. */
  readonly files: ReadonlyMap<string, SourceFile>;
  /** npm packages as `NAME@VERSION`, with all their dependencies. */
  readonly npm: ReadonlyMap<string, Sha256>;
  /** Modules of Node itself, e.g. `node:fs`. */
  readonly builtins: ReadonlySet<string>;
  /** `MODULE:LINE` of imports with an unknown target; line 0 if the line is unknown as well. */
  readonly unknown: readonly string[];
}

/** One file: its digest, and the modules that it loads itself. */
interface Part extends SourceFile {
  readonly next: readonly string[];
  readonly npm: readonly string[];
  readonly builtins: readonly string[];
  readonly unknown: readonly number[];
}

/** Files that are read for their imports. */
const SCANNED = /\.[cm]?[jt]s$/;

const INSTALLED = 'node_modules/';

/** Folders of a checkout that contain no sources. */
const NOT_SOURCES: ReadonlySet<string> = new Set(['.git', 'node_modules', 'out']);

/**
 * Opens the sources of a checkout. A file is read once in this process. `packages`: the folder of
 * package-lock.json.
 */
export function openSources(
  checkout: string,
  { facts = loadFacts(openStore()), packages = checkout }: { facts?: Facts; packages?: string } = {},
): Sources {
  const parts = new Map<string, Part>();
  const files = new Map<string, SourceFile>();
  const folders = new Map<string, readonly string[]>();
  let lock: NpmLock | undefined;

  const file = (name: string): SourceFile => {
    const known = files.get(name);
    if (known) return known;
    const path = join(checkout, name);
    // The stamp comes first, so that an edit in between is noticed.
    const stamp = stampOf(path);
    const found =
      stamp === undefined
        ? { stamp, executable: false, digest: linkDigest(path) }
        : { stamp, executable: (statSync(path).mode & 0o100) !== 0, digest: fileDigest(facts, path) };
    files.set(name, found);
    return found;
  };

  const read = (names: readonly string[]): void => {
    const fresh = names.filter((name) => !parts.has(name));
    const scanned = moduleFacts(
      facts,
      fresh.filter((name) => SCANNED.test(name)).map((name) => join(checkout, name)),
    );
    for (const name of fresh) {
      const loaded = loadsOf(checkout, name, scanned.get(join(checkout, name))?.imports);
      parts.set(name, { ...file(name), ...loaded });
    }
  };
  const part = (name: string): Part => {
    const found = parts.get(name);
    if (found) return found;
    read([name]);
    return part(name);
  };

  /**
   * The lock has no such package: either a bundler replaces the name (`quickjs-os`), or the import fails when
   * it is loaded.
   */
  const packaged = (name: string): { readonly version: string; readonly digest: Sha256 } => {
    lock ??= readNpmLock(packages);
    return npmDigest(lock, name) ?? { version: 'none', digest: sha256('') };
  };

  return {
    checkout,
    file,
    npm: (name) => packaged(name).digest,
    filesBelow: (folder) => {
      const known = folders.get(folder) ?? listFiles(checkout, folder);
      folders.set(folder, known);
      return known;
    },
    closure: (entries, options = {}) => {
      const found = walk({ part, read }, entries, options);
      const npm = new Map(
        [...found.npm].map((name) => {
          const { version, digest } = packaged(name);
          return [`${name}@${version}`, digest] as const;
        }),
      );
      return { ...found, npm };
    },
    save: () => saveFacts(facts),
  };
}

interface Reader {
  /** Reads all unknown files at once, which is much quicker. */
  read(names: readonly string[]): void;
  part(name: string): Part;
}

function walk(
  { read, part }: Reader,
  entries: readonly string[],
  { loads, leftOut = new Set(), cut = () => false }: ClosureOptions,
): Omit<Closure, 'npm'> & { readonly npm: ReadonlySet<string> } {
  const files = new Map<string, SourceFile>();
  const npm = new Set<string>();
  const builtins = new Set<string>();
  const unknown: string[] = [];
  for (let wave: readonly string[] = entries; wave.length > 0; ) {
    const fresh = [...new Set(wave)].filter((name) => !files.has(name) && !leftOut.has(name));
    read(fresh);
    wave = fresh.flatMap((name) => {
      const { digest, executable, stamp, ...loaded } = part(name);
      files.set(name, { digest, executable, stamp });
      for (const each of loaded.npm) npm.add(each);
      for (const each of loaded.builtins) builtins.add(each);
      const more = loads?.(name);
      if (more === undefined) unknown.push(...loaded.unknown.map((line) => `${name}:${line}`));
      return [...loaded.next.filter((next) => !cut(name, next)), ...(more ?? [])];
    });
  }
  return { files, npm, builtins, unknown };
}

function loadsOf(checkout: string, name: string, imports?: Imports): Omit<Part, keyof SourceFile> {
  const path = join(checkout, name);
  if (!imports) return { next: [], npm: [], builtins: [], unknown: [] };
  const next: string[] = [];
  const npm: string[] = [];
  const add = (file: string): void => {
    const named = nameIn(checkout, file);
    // By its version, as if it had been imported by name.
    if (named.startsWith(INSTALLED)) npm.push(packageName(named.slice(INSTALLED.length)));
    else next.push(named);
  };
  const builtins: string[] = [];
  const unknown = [...imports.unknown];
  for (const specifier of imports.modules) {
    if (isBuiltin(specifier)) builtins.push(specifier);
    // The form that esbuild gives to `import(`./${name}/x.ts`)`: any of these modules may be loaded.
    else if (specifier.includes('*')) unknown.push(0);
    else if (/^(\.|\/|file:)/.test(specifier)) add(importedFile(specifier, path, name));
    else npm.push(packageName(specifier));
  }
  for (const url of imports.urls) {
    const target = new URL(url, pathToFileURL(path));
    if (target.protocol !== 'file:') continue;
    const found = fileURLToPath(target);
    if (statSync(found, { throwIfNoEntry: false })?.isFile()) add(found);
  }
  return { next, npm, builtins, unknown };
}

/** Resolves as tsx does: the file itself, or TypeScript in place of JavaScript or of no suffix. */
function importedFile(specifier: string, from: string, name: string): string {
  const named = fileURLToPath(new URL(specifier, pathToFileURL(from)));
  const found = [named, named.replace(/js$/, 'ts'), `${named}.ts`].find((path) => existsSync(path));
  if (found !== undefined) return found;
  const lines = readFileSync(from, 'utf8').split('\n');
  const line = lines.findIndex((text) => text.includes(specifier)) + 1;
  throw badInput(`${name} imports ${specifier}, which does not exist`, { where: `${name}:${line}` });
}

function linkDigest(path: string): Sha256 {
  return sha256(`link\0${readlinkSync(path)}`);
}

function nameIn(checkout: string, path: string): string {
  return relative(checkout, path).split(sep).join('/');
}

function listFiles(checkout: string, folder: string): readonly string[] {
  const top = join(checkout, folder);
  if (!existsSync(top)) return [];
  const found: string[] = [];
  const visit = (dir: string): void => {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      const path = join(dir, entry.name);
      if (entry.isDirectory() && !NOT_SOURCES.has(entry.name)) visit(path);
      else if (entry.isFile() || entry.isSymbolicLink()) found.push(nameIn(checkout, path));
    }
  };
  visit(top);
  return found.sort(byteOrder);
}

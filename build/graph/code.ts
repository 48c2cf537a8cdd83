import { existsSync, readFileSync, statSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { byteOrder, canonicalJson, type Sha256, sha256 } from '../../sdk/lib/files.ts';
import { type Facts, fileDigest, type ModuleFacts, moduleFacts } from './facts.ts';
import { type NpmLock, npmDigest, packageName, readNpmLock } from './npm.ts';

/** All that decides what a recipe does: module (path from the checkout) or `npm:NAME@VERSION` → digest. */
export interface Code {
  readonly digest: Sha256;
  readonly parts: Readonly<Record<string, Sha256>>;
}

/** What code digests share within one build. */
export interface CodeReader {
  readonly facts: Facts;
  /** By `from`; an error for code that cannot be read, so that all its targets fail with the same one. */
  readonly codes: Map<string, Code | Error>;
  lock?: NpmLock;
}

/**
 * Not part of any code digest, nor what only they import: what writes to the terminal, and the definition of the
 * graph, whose own changes are covered by FORMAT in key.ts. No output can depend on them.
 */
const LEFT_OUT: ReadonlySet<string> = new Set(['sdk/lib/log.ts', 'build/graph/target.ts']);

const SCANNED = /\.[cm]?[jt]s$/;

/** The code behind a recipe: the module at `from` (a file URL) and all it loads, directly or not. */
export function codeOf(reader: CodeReader, from: string): Code {
  if (!reader.codes.has(from)) rememberCodes(reader, [from]);
  const code = reader.codes.get(from);
  if (code instanceof Error) throw code;
  if (!code) throw new Error(`no code for ${from}`);
  return code;
}

/**
 * To be called before the first recipe runs: what this process has loaded is the code as it is now, and an edit while
 * the build runs must not give later targets the digest of other code.
 */
export function rememberCodes(reader: CodeReader, froms: readonly string[]): void {
  const entries = froms.map((from) => fileURLToPath(from.replace(/[?#].*$/, '')));
  const read = (of: readonly string[]): Code | Error => {
    try {
      return readCode(reader, of);
    } catch (error) {
      if (error instanceof Error) return error;
      throw error;
    }
  };
  // All at once first, which scans everything new in a few steps; whose error it is comes out below.
  if (entries.length > 1) read(entries);
  for (const [index, from] of froms.entries()) reader.codes.set(from, read(entries.slice(index, index + 1)));
}

function readCode(reader: CodeReader, entries: readonly string[]): Code {
  const nameOf = (path: string): string => {
    // Modules outside the checkout are named from the recipe's folder, so that no path of this machine gets in the key.
    return relative(path.startsWith(`${CHECKOUT}/`) ? CHECKOUT : dirname(entries[0] ?? '/'), path);
  };
  const parts = new Map<string, Sha256>();
  const seen = new Set<string>();
  for (let wave = [...entries]; wave.length > 0; ) {
    const fresh = wave.filter((path) => !seen.has(path) && !LEFT_OUT.has(nameOf(path)));
    for (const path of fresh) seen.add(path);
    const modules = moduleFacts(
      reader.facts,
      fresh.filter((path) => SCANNED.test(path)),
    );
    wave = fresh.flatMap((path) => readPart(reader, path, nameOf(path), modules.get(path), parts));
  }
  const sorted = Object.fromEntries([...parts].sort(([a], [b]) => byteOrder(a, b)));
  return { digest: sha256(canonicalJson(sorted)), parts: sorted };
}

/** Adds one module, and the npm packages it imports, to `parts`; returns the files it loads. */
function readPart(
  reader: CodeReader,
  path: string,
  name: string,
  module: ModuleFacts | undefined,
  parts: Map<string, Sha256>,
): string[] {
  if (module === undefined) {
    parts.set(name, fileDigest(reader.facts, path));
    return [];
  }
  const { digest, imports } = module;
  parts.set(name, digest);
  if (imports.unknown.length > 0) {
    throw badInput('a recipe loads a module whose name is only known when it runs', {
      where: `${name}:${imports.unknown[0]}`,
      hint: 'import it by a string literal: its code decides whether the output must be made again',
    });
  }
  const next: string[] = [];
  for (const specifier of imports.modules) {
    if (isBuiltin(specifier)) continue;
    if (/^(\.|\/|file:)/.test(specifier)) next.push(resolveModule(specifier, path, name));
    else addNpm(reader, specifier, name, parts);
  }
  for (const url of imports.urls) {
    const target = new URL(url, pathToFileURL(path));
    if (target.protocol !== 'file:') continue;
    const file = fileURLToPath(target);
    if (statSync(file, { throwIfNoEntry: false })?.isFile()) next.push(file);
  }
  return next;
}

function resolveModule(specifier: string, path: string, name: string): string {
  const file = fileURLToPath(new URL(specifier, pathToFileURL(path)));
  const found = [file, file.replace(/js$/, 'ts'), `${file}.ts`].find((candidate) => existsSync(candidate));
  if (found === undefined) {
    throw badInput(`${name} imports ${specifier}, which does not exist`, {
      where: whereIs(path, specifier, name),
    });
  }
  return found;
}

function addNpm(reader: CodeReader, specifier: string, name: string, parts: Map<string, Sha256>): void {
  reader.lock ??= readNpmLock(CHECKOUT);
  const packaged = packageName(specifier);
  const found = npmDigest(reader.lock, packaged);
  if (!found) {
    throw badInput(`${name} imports the npm package ${packaged}, which package-lock.json does not have`, {
      where: join(CHECKOUT, 'package-lock.json'),
      hint: `npm install ${packaged}`,
    });
  }
  parts.set(`npm:${packaged}@${found.version}`, found.digest);
}

function whereIs(path: string, specifier: string, name: string): string {
  const line = readFileSync(path, 'utf8')
    .split('\n')
    .findIndex((text) => text.includes(specifier));
  return `${name}:${line + 1}`;
}

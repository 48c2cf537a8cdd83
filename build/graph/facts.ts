import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Sha256, sha256 } from '../../sdk/lib/files.ts';
import { noted } from '../../sdk/lib/json.ts';
import { type Imports, scanImports } from './scan.ts';
import { type Stamp, stampOf } from './stamp.ts';
import { FACTS, isDigest, putNote, type Store } from './store.ts';

interface Fact {
  readonly stamp: Stamp;
  readonly digest: Sha256;
  readonly imports?: Imports;
}

/** Digests and imports of the checkout's files, remembered between runs by the answers of stat(2). */
export interface Facts {
  readonly store: Store;
  readonly known: Map<string, Fact>;
  /** Paths that this process asked for. Other entries may be dropped when the table grows too long. */
  readonly used: Set<string>;
  /** Paths of files that had just been written when they were read. They are read again next time. */
  readonly young: Set<string>;
  changed: boolean;
}

/**
 * A file that changes twice within one tick of the clock keeps its stamp. So a file is remembered only if it was older
 * than this when it was read.
 */
const SETTLED_MS = 2000;
const MAX_ENTRIES = 20_000;

/** The table of known files that the last build wrote. */
export function loadFacts(store: Store): Facts {
  return { store, known: readTable(tablePath(store)), used: new Set(), young: new Set(), changed: false };
}

/** SHA-256 of a file. The file is read only if the answer of stat(2) has changed. */
export function fileDigest(facts: Facts, path: string): Sha256 {
  const stamp = stampOf(path);
  const known = remembered(facts, path, stamp);
  if (known) return known.digest;
  const at = Date.now();
  const digest = sha256(readFileSync(path));
  remember(facts, path, { stamp: stamp ?? '', digest }, at);
  return digest;
}

/** The known facts about a module. */
export interface ModuleFacts {
  readonly digest: Sha256;
  readonly imports: Imports;
}

/** Digests and imports of modules, by absolute path. Modules that are not remembered are read all at once. */
export function moduleFacts(facts: Facts, paths: readonly string[]): Map<string, ModuleFacts> {
  const found = new Map<string, ModuleFacts>();
  const fresh = new Map<string, { readonly stamp: Stamp | undefined; readonly content: Buffer }>();
  const at = Date.now();
  for (const path of paths) {
    const stamp = stampOf(path);
    const { imports, digest } = remembered(facts, path, stamp) ?? {};
    if (imports && digest) found.set(path, { digest, imports });
    else fresh.set(path, { stamp, content: readFileSync(path) });
  }
  if (fresh.size === 0) return found;
  const scanned = scanImports(new Map([...fresh].map(([path, { content }]) => [path, content.toString()])));
  for (const [path, { stamp, content }] of fresh) {
    const imports = scanned.get(path);
    if (!imports) throw new Error(`no imports for ${path}`);
    const digest = sha256(content);
    // A file that was edited between the two readings is not remembered.
    remember(facts, path, { stamp: stampOf(path) === stamp ? (stamp ?? '') : '', digest, imports }, at);
    found.set(path, { digest, imports });
  }
  return found;
}

/** Writes the table if it has new entries and may be written. */
export async function saveFacts(facts: Facts): Promise<void> {
  if (!facts.changed) return;
  facts.changed = false;
  const keepAll = facts.known.size <= MAX_ENTRIES;
  const kept = [...facts.known].filter(
    ([path]) => !facts.young.has(path) && (keepAll || facts.used.has(path)),
  );
  await putNote(facts.store, tablePath(facts.store), JSON.stringify(Object.fromEntries(kept)));
}

function remembered(facts: Facts, path: string, stamp: Stamp | undefined): Fact | undefined {
  facts.used.add(path);
  const known = facts.known.get(path);
  return stamp !== undefined && known?.stamp === stamp ? known : undefined;
}

/** `at`: a time before the file was read. */
function remember(facts: Facts, path: string, fact: Fact, at: number): void {
  facts.known.set(path, fact);
  if (isSettled(fact.stamp, at)) facts.young.delete(path);
  else facts.young.add(path);
  facts.changed = true;
}

function isSettled(stamp: Stamp, at: number): boolean {
  const [, mtime, ctime] = stamp.split(' ');
  return stamp !== '' && [mtime, ctime].every((ns) => at - Number(BigInt(ns ?? 0) / 1_000_000n) > SETTLED_MS);
}

function tablePath(store: Store): string {
  return join(store.root, FACTS);
}

function readTable(path: string): Map<string, Fact> {
  // If the table is damaged, all files are read again.
  const facts = Object.entries(noted(path) ?? {});
  return new Map(facts.filter((entry): entry is [string, Fact] => isFact(entry[1])));
}

function isFact(value: unknown): value is Fact {
  const { stamp, digest, imports } = (value ?? {}) as Record<string, unknown>;
  if (typeof stamp !== 'string' || !isDigest(digest)) return false;
  return imports === undefined || (typeof imports === 'object' && imports !== null);
}

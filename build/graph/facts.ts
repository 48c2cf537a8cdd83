import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '../../sdk/lib/errors.ts';
import { type Sha256, sha256 } from '../../sdk/lib/files.ts';
import { type Imports, scanImports } from './scan.ts';
import { type Stamp, stampOf } from './stamp.ts';
import { FACTS, isDigest, putNote, type Store } from './store.ts';

interface Fact {
  readonly stamp: Stamp;
  readonly digest: Sha256;
  readonly imports?: Imports;
}

/** Digests and imports of files of the checkout, remembered between runs by what stat(2) says of the file. */
export interface Facts {
  readonly store: Store;
  readonly known: Map<string, Fact>;
  /** Paths asked for in this process: the others may be dropped when the table grows too long. */
  readonly used: Set<string>;
  changed: boolean;
}

/** A file changed in the very tick of the clock in which it was read may keep its stamp: remember it only when older. */
const SETTLED_MS = 2000;
const MAX_ENTRIES = 20_000;

export function loadFacts(store: Store): Facts {
  return { store, known: readTable(tablePath(store)), used: new Set(), changed: false };
}

export function fileDigest(facts: Facts, path: string): Sha256 {
  return lookUp(facts, path, false).digest;
}

export function moduleFacts(
  facts: Facts,
  path: string,
): { readonly digest: Sha256; readonly imports: Imports } {
  const { digest, imports } = lookUp(facts, path, true);
  if (!imports) throw new Error(`no imports for ${path}`);
  return { digest, imports };
}

/** Writes the table if there is anything new in it, and it may be written. */
export async function saveFacts(facts: Facts): Promise<void> {
  if (!facts.changed) return;
  facts.changed = false;
  const now = Date.now();
  const keepAll = facts.known.size <= MAX_ENTRIES;
  const kept = [...facts.known].filter(
    ([path, fact]) => isSettled(fact.stamp, now) && (keepAll || facts.used.has(path)),
  );
  await putNote(facts.store, tablePath(facts.store), JSON.stringify(Object.fromEntries(kept)));
}

function lookUp(facts: Facts, path: string, withImports: boolean): Fact {
  const stamp = stampOf(path);
  const known = facts.known.get(path);
  facts.used.add(path);
  if (stamp !== undefined && known?.stamp === stamp && (!withImports || known.imports)) return known;
  const content = readFileSync(path);
  const digest = sha256(content);
  const fact: Fact = withImports
    ? { stamp: stamp ?? '', digest, imports: scanImports(content.toString('utf8')) }
    : { stamp: stamp ?? '', digest };
  facts.known.set(path, fact);
  facts.changed = true;
  return fact;
}

function isSettled(stamp: Stamp, now: number): boolean {
  const [, mtime, ctime] = stamp.split(' ');
  return (
    stamp !== '' && [mtime, ctime].every((ns) => now - Number(BigInt(ns ?? 0) / 1_000_000n) > SETTLED_MS)
  );
}

function tablePath(store: Store): string {
  return join(store.root, FACTS);
}

function readTable(path: string): Map<string, Fact> {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value !== 'object' || value === null) return new Map();
    return new Map(Object.entries(value).filter((entry): entry is [string, Fact] => isFact(entry[1])));
  } catch (error) {
    // Only a saving of time: when damaged, everything is simply read again.
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return new Map();
    throw error;
  }
}

function isFact(value: unknown): value is Fact {
  const { stamp, digest, imports } = (value ?? {}) as Record<string, unknown>;
  if (typeof stamp !== 'string' || !isDigest(digest)) return false;
  return imports === undefined || (typeof imports === 'object' && imports !== null);
}

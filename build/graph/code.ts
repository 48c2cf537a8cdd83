import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { byteOrder, canonicalJson, type Sha256, sha256 } from '../../sdk/lib/files.ts';
import { openSources, type Sources } from './closure.ts';
import type { Facts } from './facts.ts';
import type { Stamp } from './stamp.ts';

/** The code behind a recipe: module (path from the checkout) or `npm:NAME@VERSION` → digest. */
export interface Code {
  readonly digest: Sha256;
  readonly parts: Readonly<Record<string, Sha256>>;
  /**
   * A module that was edited between the start of this process and its reading for this digest. The process may have
   * loaded its older text, so no output may be kept under this digest.
   */
  readonly edited?: string;
}

/** State that the code digests of one build share. */
export interface CodeReader {
  readonly facts: Facts;
  /** By `from`. Code that cannot be read is one error, which all its targets share. */
  readonly codes: Map<string, Code | Error>;
  /** By checkout. */
  readonly sources: Map<string, Sources>;
  /** The start of this process, in milliseconds since 1970. */
  readonly started: number;
}

/** Makes the state for the code digests of one build. */
export function codeReader(facts: Facts, started = performance.timeOrigin): CodeReader {
  return { facts, codes: new Map(), sources: new Map(), started };
}

/**
 * Modules that no code digest contains, together with modules that only they import: those that write to the
 * terminal, and the definition of the graph, whose changes FORMATS in key.ts covers. No output depends on
 * them.
 */
const LEFT_OUT: ReadonlySet<string> = new Set(['sdk/lib/log.ts', 'build/graph/target.ts']);

/** The code behind a recipe: the module at `from` (a file URL) and everything that it loads. */
export function codeOf(reader: CodeReader, from: string): Code {
  if (!reader.codes.has(from)) rememberCodes(reader, [from]);
  const code = reader.codes.get(from);
  if (code instanceof Error) throw code;
  if (!code) throw new Error(`no code for ${from}`);
  return code;
}

/**
 * Reads the code before the first recipe runs. This process has loaded the code of this moment, so an edit
 * during the build must not give later targets the digest of other code.
 */
export function rememberCodes(reader: CodeReader, froms: readonly string[]): void {
  const read = (of: readonly string[]): Code | Error => {
    try {
      return readCode(reader, of);
    } catch (error) {
      if (error instanceof Error) return error;
      throw error;
    }
  };
  // All modules at once first, which scans new ones in a few steps. The loop below finds the recipe that an
  // error belongs to.
  if (froms.length > 1) read(froms);
  for (const from of froms) reader.codes.set(from, read([from]));
}

function readCode(reader: CodeReader, froms: readonly string[]): Code {
  const entries = froms.map((from) => fileURLToPath(from.replace(/[?#].*$/, '')));
  // Modules outside the checkout are named from the recipe's folder, so that no path of this machine gets in the key.
  const ours = entries.every((path) => path.startsWith(`${CHECKOUT}/`));
  const root = ours ? CHECKOUT : dirname(entries[0] ?? '/');
  const sources = reader.sources.get(root) ?? openSources(root, { facts: reader.facts, packages: CHECKOUT });
  reader.sources.set(root, sources);
  const names = entries.map((path) => relative(root, path));
  const { files, npm, unknown } = sources.closure(names, { leftOut: LEFT_OUT });
  if (unknown.length > 0) {
    throw badInput('a recipe loads a module whose name is only known when it runs', {
      where: unknown[0] ?? '',
      hint: 'import it by a string literal: its code decides whether the output must be made again',
    });
  }
  const parts = [...files].map(([name, { digest }]): [string, Sha256] => [name, digest]);
  for (const [name, digest] of npm) {
    if (name.endsWith(NO_VERSION)) {
      const packaged = name.slice(0, -NO_VERSION.length);
      throw badInput(
        `${names[0]} imports the npm package ${packaged}, which package-lock.json does not have`,
        {
          where: join(CHECKOUT, 'package-lock.json'),
          hint: `npm install ${packaged}`,
        },
      );
    }
    parts.push([`npm:${name}`, digest]);
  }
  const sorted = Object.fromEntries(parts.sort(([a], [b]) => byteOrder(a, b)));
  const [edited] = ours
    ? ([...files].find(([, { stamp }]) => isBetween(stamp, reader.started, Date.now())) ?? [])
    : [];
  return {
    digest: sha256(canonicalJson(sorted)),
    parts: sorted,
    ...(edited === undefined ? {} : { edited }),
  };
}

/** Whether a file was changed in a span of time. A time in the future says nothing: a clock was wrong. */
function isBetween(stamp: Stamp | undefined, from: number, to: number): boolean {
  const changed = Number(BigInt(stamp?.split(' ')[2] ?? 0) / 1_000_000n);
  return changed > from && changed <= to;
}

/** closure.ts names a package this way if the lock does not have it. */
const NO_VERSION = '@none';

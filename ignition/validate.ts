import { decode, type Position } from './json/decode.ts';
import { type LineColumn, lineColumns } from './json/lines.ts';
import { checkSyntax } from './json/syntax.ts';
import {
  type Entry,
  type Finding,
  newReport,
  pathText,
  problem,
  problemText,
  type Report,
} from './report.ts';
import { inner, type Struct, string, struct } from './spec/shape.ts';
import { configShape } from './spec/v3.ts';
import type { Step } from './step.ts';
import { canonicalVersion, specMinor } from './version.ts';
import { checkDuplicates, checkRules, checkUnknownKeys } from './walk.ts';

/** What `ignition validate` prints: `entries` in the order in which Ignition would report them. */
export interface Verdict {
  /** Ignition would accept it: no entry is an error. */
  readonly valid: boolean;
  readonly entries: readonly Entry[];
}

/** A config larger than this is refused unread: no route that delivers one to a machine carries it. */
export const MAX_BYTES = 64 * 1024 * 1024;
/** Bounds memory whatever the bytes hold: 64 MiB of `[` and `]` would be 30 million arrays. */
const MAX_VALUES = 6_000_000;

const versionShape = struct([inner('ignition', struct([string('version')]))]);

/** Offset of the deepest value the text has along a path. */
function locate(position: Position, path: readonly Step[]): number {
  let here = position;
  for (const step of path) {
    if (typeof here === 'number') break;
    const next = 'keys' in here ? here.keys.get(String(step))?.value : here.items[Number(step)];
    if (next === undefined || 'keys' in here === (typeof step === 'number')) break;
    here = next;
  }
  return typeof here === 'number' ? here : here.start;
}

export function toVerdict(report: Report, bytes: Buffer, position: Position): Verdict {
  const offsets = report.findings.map(({ at, path }) => at ?? locate(position, path));
  const places = lineColumns(bytes, offsets);
  const entries = report.findings.map(({ kind, path, message }: Finding, index): Entry => {
    const { line, column } = places[index] ?? { line: 0, column: 0 };
    return { kind, path: pathText(path), line, column, message };
  });
  if (report.dropped > 0) {
    const kind = report.failed ? 'error' : 'warning';
    entries.push({
      kind,
      path: '$',
      line: 1,
      column: 1,
      message: `${report.dropped} more findings left off`,
    });
  }
  return { valid: !report.failed, entries };
}

function encodingHint(bytes: Buffer): string | undefined {
  const [first, second, third] = bytes;
  if (first === 0xef && second === 0xbb && third === 0xbf) return 'save it without a byte order mark';
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff))
    return 'UTF-16: save it as UTF-8';
  if (first === 0 || second === 0) return 'UTF-16 or UTF-32: save it as UTF-8';
  if (first === 0x1f && second === 0x8b) return 'this is gzip: unpack it';
  return undefined;
}

function syntaxMend(bytes: Buffer, offset: number): string | undefined {
  const hint = encodingHint(bytes);
  if (hint !== undefined) return hint;
  const char = String.fromCharCode(bytes[offset] ?? 0);
  if (char === '#' || char === '/') return 'JSON has no comments';
  if (char === "'") return 'strings stand in double quotes';
  if (char === '}' || char === ']') return 'remove the comma before it';
  if (char === '%' || (offset === 0 && /[A-Za-z-]/.test(char))) return 'is this YAML? Compile it first';
  return undefined;
}

function fatal(bytes: Buffer, at: number, path: readonly Step[], what: string, hint?: string): Verdict {
  const report = newReport();
  report.add({ kind: 'error', path, at, message: problemText(problem(what, hint)) });
  return toVerdict(report, bytes, 0);
}

/** The verdict of a config that is not even read. */
export function tooLarge(size: number): Verdict {
  const hint = `the limit is ${MAX_BYTES}: let large files be fetched by URL`;
  return fatal(Buffer.alloc(0), 0, [], `config of ${size} bytes`, hint);
}

/** Finds the spec version, or says why there is none. */
function readVersion(bytes: Buffer): number | Verdict {
  const { value, position, mismatches } = decode(bytes, versionShape);
  if (mismatches.length > 0) return mismatchVerdict(bytes, mismatches);
  const version = (value.ignition as { version?: string } | undefined)?.version ?? '';
  const canonical = canonicalVersion(version);
  const at = locate(position, ['ignition', 'version']);
  const path = ['ignition', 'version'];
  if (canonical === undefined) {
    return fatal(bytes, at, path, "invalid config version (couldn't parse)", 'write "3.3.0"');
  }
  const minor = specMinor(canonical);
  if (minor !== undefined) return minor;
  const old = /^[12]\./.test(canonical)
    ? 'translate it first: draisine ignition translate'
    : 'use 3.0.0 to 3.3.0';
  return fatal(bytes, at, path, 'unsupported config version', old);
}

function mismatchVerdict(bytes: Buffer, mismatches: ReturnType<typeof decode>['mismatches']): Verdict {
  const report = newReport();
  for (const { path, at, message } of mismatches) report.add({ kind: 'error', path, at, message });
  return toVerdict(report, bytes, 0);
}

/**
 * Says of a config (JSON, spec 3.0 to 3.3) what the shipped Ignition says of it: the same verdict, the same errors
 * and warnings at the same places; in addition a warning for each key that stands twice in an object.
 * Time and memory are linear in the size.
 */
export function validate(bytes: Buffer): Verdict {
  if (bytes.length === 0)
    return fatal(bytes, 0, [], 'not a config (empty)', 'the smallest is {"ignition":{"version":"3.3.0"}}');
  if (bytes.length > MAX_BYTES) return tooLarge(bytes.length);
  const { fault, values, hugeNumber } = checkSyntax(bytes);
  if (fault) return fatal(bytes, fault.offset, [], fault.message, syntaxMend(bytes, fault.offset));
  if (values > MAX_VALUES)
    return fatal(bytes, 0, [], `config of ${values} values`, `the limit is ${MAX_VALUES}`);
  const minor = readVersion(bytes);
  return typeof minor === 'number' ? validateVersion(bytes, minor, hugeNumber) : minor;
}

function validateVersion(bytes: Buffer, minor: number, hugeNumber: boolean): Verdict {
  const shape = configShape(minor);
  const { value, position, mismatches, repeated } = decode(bytes, shape);
  if (mismatches.length > 0) return mismatchVerdict(bytes, mismatches);
  const report = newReport();
  checkRules(shape, value, report);
  checkDuplicates(shape, value, report);
  if (!hugeNumber) checkUnknownKeys(shape, value, position, report);
  for (const { path, at } of repeated) {
    report.add({
      kind: 'warning',
      path,
      at,
      message: 'key stands twice in this object; the later value wins',
    });
  }
  return toVerdict(report, bytes, position);
}

/** A valid config as Ignition decodes it. */
export interface Readable {
  readonly value: Struct;
  /** Where values of the config stand in what its author wrote; zeros where that is no text. */
  places(paths: readonly (readonly Step[])[]): readonly LineColumn[];
}

/** Reads a config that `validate` found valid. */
export function readValid(bytes: Buffer): Readable {
  const minor = readVersion(bytes);
  if (typeof minor !== 'number') throw new Error('not a valid config');
  const { value, position } = decode(bytes, configShape(minor));
  return {
    value,
    places: (paths) => {
      const offsets = paths.map((path) => locate(position, path));
      return lineColumns(bytes, offsets);
    },
  };
}

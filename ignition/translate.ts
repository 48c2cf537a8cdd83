import type { SourceMap } from './base/node.ts';
import { type Entry, type LineColumn, pathText } from './base/report.ts';
import type { Step } from './base/step.ts';
import { newestShape } from './butane/fields.ts';
import { versionHint } from './check/hints.ts';
import { translateDown } from './check/newer.ts';
import { jsonStyle, type Notes, originOf, readStruct, unusedKey } from './check/read.ts';
import { repeatedMessage, validate } from './check/validate.ts';
import { jsonTree, placeIn, repeatedKeys } from './json/tree.ts';
import { isObject, type JsonObject } from './json/value.ts';
import { inner, string, struct } from './spec/shape.ts';
import { VERSION } from './spec/v3.ts';
import { V2_VERSIONS } from './v2/model.ts';
import { translateV2 } from './v2/translate.ts';

/** A config in spec 3.3, with its entries. */
export interface Translation {
  /** The config in spec 3.3; absent when an entry is an error. */
  readonly config?: JsonObject;
  /** Findings, with their places in the text that was translated. */
  readonly entries: readonly Entry[];
}

/** Options for translating a config. */
export interface TranslateOptions {
  /** Mount points of named file systems (spec 2) in the running system. */
  readonly filesystems?: ReadonlyMap<string, string>;
}

/** Versions that the shipped Ignition refuses, and that differ from 3.3 by a few keys. */
const NEWER_VERSIONS: readonly string[] = ['3.4.0', '3.5.0', '3.6.0'];

interface Made {
  readonly config: JsonObject;
  readonly source: (path: readonly Step[]) => readonly Step[];
}

const versionShape = struct([inner('ignition', struct([string('version')]))]);

/** Findings of a text, with their places. */
function startNotes(text: string) {
  const entries: Entry[] = [];
  const place = placeIn(text);
  const add = (kind: Entry['kind'], at: LineColumn, path: readonly Step[], message: string): void => {
    entries.push({ kind, path: pathText(path), line: at.line, column: at.column, message });
  };
  const notes: Notes = {
    origins: new Map(),
    error: (at, path, message) => add('error', place(at), path, message),
    warning: (at, path, message) => add('warning', place(at), path, message),
  };
  const addAt = (kind: Entry['kind'], path: readonly Step[], message: string): void =>
    add(kind, place(originOf(notes.origins, path)), path, message);
  return { entries, notes, addAt, failed: () => entries.some(({ kind }) => kind === 'error') };
}

type Findings = ReturnType<typeof startNotes>;

function versionIn(root: SourceMap, text: string): string {
  const { notes } = startNotes(text);
  const { ignition } = readStruct(versionShape, root, jsonStyle(unusedKey), { ...notes, warning: () => {} });
  return isObject(ignition) ? String(ignition.version) : '';
}

function fromNewer(root: SourceMap, { notes, addAt, failed }: Findings): Made | undefined {
  const value = readStruct(newestShape, root, jsonStyle(unusedKey), notes);
  if (failed()) return undefined;
  const { ignition, ...sections } = translateDown(value, (path, message) => addAt('error', path, message));
  const config = { ignition: { ...(isObject(ignition) ? ignition : {}), version: VERSION }, ...sections };
  return failed() ? undefined : { config, source: (path) => path };
}

/**
 * Translates spec 2.0 – 2.4 and 3.4 – 3.6 to 3.3. A value without an equivalent is an error with the reason.
 * Ignition accepts the result.
 */
export async function translateConfig(
  bytes: Buffer,
  { filesystems = new Map() }: TranslateOptions = {},
): Promise<Translation> {
  const verdict = await validate(bytes);
  if (verdict.valid) {
    const message = `nothing to translate: Ignition takes this version; check it with: draisine ignition validate`;
    return { entries: [{ kind: 'error', path: '$.ignition.version', line: 1, column: 1, message }] };
  }
  const text = bytes.toString();
  const isVersion = verdict.entries[0]?.path === '$.ignition.version' && text.trim() !== '';
  const root = isVersion ? jsonTree(text) : undefined;
  if (root?.kind !== 'map') return { entries: verdict.entries };
  const version = versionIn(root, text);
  const minor = (V2_VERSIONS as readonly string[]).indexOf(version);
  const findings = startNotes(text);
  const { notes, addAt } = findings;
  for (const { path, at, first } of repeatedKeys(text))
    notes.warning(at, path, repeatedMessage(placeIn(text)(first).line));
  const made =
    minor >= 0
      ? translateV2(root, minor, filesystems, notes, addAt)
      : NEWER_VERSIONS.includes(version)
        ? fromNewer(root, findings)
        : undefined;
  if (minor < 0 && !NEWER_VERSIONS.includes(version))
    return { entries: unknownVersion(verdict.entries, version) };
  return made === undefined || findings.failed()
    ? { entries: findings.entries }
    : await judged(made, findings);
}

function unknownVersion(entries: readonly Entry[], version: string): Entry[] {
  const known = [...V2_VERSIONS, ...NEWER_VERSIONS].join(', ');
  const what = version === '' ? 'no ignition.version' : `version ${version} is not one of ${known}`;
  const hint = versionHint(version, undefined);
  return entries.map((entry) => ({
    ...entry,
    message: version === '' ? entry.message : `${what}; ${hint}`,
  }));
}

/** Adds Ignition's entries for the result, at the origins of its parts. */
async function judged({ config, source }: Made, { entries, addAt }: Findings): Promise<Translation> {
  const verdict = await validate(Buffer.from(JSON.stringify(config)));
  for (const { kind, path, message } of verdict.entries) {
    const steps = path
      .split('.')
      .slice(1)
      .map((step) => (/^\d+$/.test(step) ? Number(step) : step));
    addAt(kind, source(steps), message);
  }
  return verdict.valid ? { config, entries } : { entries };
}

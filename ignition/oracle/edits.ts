import fc from 'fast-check';
import { fullConfig } from './base.ts';
import {
  ANY,
  GUIDS,
  HASHES,
  LABELS,
  LEVELS,
  NAMES,
  NUMBERS,
  PATHS,
  PIECE_TEXTS,
  Raw,
  TEXTS,
  UNITS,
  URLS,
  VERSIONS,
} from './values.ts';

/**
 * Configs for comparing our verdict with the real one: every value of a full config replaced by every value that
 * could matter there, several random edits at once, and damage to the bytes. Deterministic for a given seed.
 */

type Path = (string | number)[];

/** Hostile values for a field. */
function pool(path: Path): unknown[] {
  const name = path.findLast((step) => typeof step === 'string');
  const inList = typeof path.at(-1) === 'number';
  switch (name) {
    case 'source':
    case 'url':
    case 'httpProxy':
    case 'httpsProxy':
      return URLS;
    case 'contents':
      return UNITS;
    case 'path':
    case 'device':
    case 'target':
    case 'devices':
    case 'homeDir':
      return PATHS;
    case 'label':
      return LABELS;
    case 'hash':
      return HASHES;
    case 'name':
      return [...NAMES, ...TEXTS];
    case 'version':
      return VERSIONS;
    case 'level':
      return LEVELS;
    case 'guid':
    case 'typeGuid':
      return GUIDS;
    default:
      return inList ? TEXTS : [...NUMBERS, ...TEXTS, '2048M'];
  }
}

/** JSON text of a value that may hold `Raw`. */
export function render(value: unknown): string {
  if (value instanceof Raw) return value.text;
  if (Array.isArray(value)) return `[${value.map(render).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const members = Object.entries(value).map(([key, member]) => `${JSON.stringify(key)}:${render(member)}`);
    return `{${members.join(',\n')}}`;
  }
  return JSON.stringify(value);
}

function paths(value: unknown, prefix: Path = []): Path[] {
  if (value === null || typeof value !== 'object' || value instanceof Raw) return [prefix];
  return [
    prefix,
    ...Object.entries(value).flatMap(([key, member]) =>
      paths(member, [...prefix, Array.isArray(value) ? Number(key) : key]),
    ),
  ];
}

function get(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((node, step) => (node as Record<string, unknown>)[step], value);
}

/** A copy of `value` in which the member at `path` went through `edit` together with its container. */
function edited(
  value: unknown,
  path: Path,
  edit: (container: Record<string, unknown> | unknown[], step: string | number) => void,
): unknown {
  const copy = structuredCloneWithRaw(value);
  const container = get(copy, path.slice(0, -1)) as Record<string, unknown>;
  edit(container, path.at(-1) ?? '');
  return copy;
}

function structuredCloneWithRaw(value: unknown): unknown {
  if (value instanceof Raw || value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(structuredCloneWithRaw);
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, structuredCloneWithRaw(member)]),
  );
}

function set(value: unknown, path: Path, replacement: unknown): unknown {
  if (path.length === 0) return replacement;
  return edited(value, path, (container, step) => {
    (container as Record<string, unknown>)[step] = replacement;
  });
}

function remove(value: unknown, path: Path): unknown {
  return edited(value, path, (container, step) => {
    if (Array.isArray(container)) container.splice(Number(step), 1);
    else delete container[step];
  });
}

function rename(value: unknown, path: Path, to: string): unknown {
  return edited(value, path, (container, step) => {
    const entries = Object.entries(container).map(([key, member]) => [key === step ? to : key, member]);
    for (const key of Object.keys(container)) delete (container as Record<string, unknown>)[key];
    Object.assign(container, Object.fromEntries(entries));
  });
}

/** Every single edit of the full config of one version. */
export function systematic(minor: number): string[] {
  const base = fullConfig(minor);
  const out = [render(base)];
  for (const path of paths(base)) {
    const here = get(base, path);
    if (path.length > 0) out.push(render(remove(base, path)));
    for (const value of [...ANY, ...pool(path)]) out.push(render(set(base, path, value)));
    if (Array.isArray(here)) for (const item of here) out.push(render(set(base, path, [...here, item])));
    if (here !== null && typeof here === 'object' && !Array.isArray(here)) {
      out.push(
        render(set(base, path, { ...here, unknown: { path: [1e3] } })),
        render(set(base, path, { ...here, ' ': null })),
      );
    }
    const last = path.at(-1);
    if (typeof last === 'string') {
      for (const name of [
        last.toUpperCase(),
        `${last}x`,
        last.replace('s', '\u017f').replace('k', '\u212a'),
      ]) {
        out.push(render(rename(base, path, name)));
      }
    }
  }
  return out;
}

/** Random edits: several at once, from everything above. */
export function edits(minor: number, count: number, seed: number): string[] {
  const base = fullConfig(minor);
  const step = fc.record({
    where: fc.nat(),
    what: fc.nat(),
    how: fc.constantFrom('pool', 'any', 'remove', 'copy', 'move', 'rename', 'other'),
    from: fc.nat(),
  });
  const samples = fc.sample(fc.array(step, { minLength: 1, maxLength: 6 }), { numRuns: count, seed });
  return samples.map((steps) => {
    let config: unknown = base;
    for (const { where, what, how, from } of steps) {
      const all = paths(config).filter((path) => path.length > 0);
      const path = all[where % all.length];
      if (!path) continue;
      const choices = how === 'any' ? ANY : pool(path);
      const other = all[from % all.length] ?? path;
      if (how === 'remove') config = remove(config, path);
      else if (how === 'copy') config = set(config, path, get(config, other));
      else if (how === 'move') {
        const list = get(config, path.slice(0, -1));
        if (Array.isArray(list)) config = set(config, path.slice(0, -1), [...list, get(config, path)]);
      } else if (how === 'rename' && typeof path.at(-1) === 'string')
        config = rename(config, path, String(other.at(-1)));
      else config = set(config, path, choices[what % choices.length]);
    }
    return render(config);
  });
}

/** Random damage to the bytes of a config: flips, cuts, insertions, swaps. */
export function damage(text: string, count: number, seed: number): Buffer[] {
  const blow = fc.record({
    at: fc.nat(),
    length: fc.nat({ max: 12 }),
    bytes: fc.oneof(
      fc.uint8Array({ maxLength: 4 }),
      fc.constantFrom(...PIECE_TEXTS).map((s) => Buffer.from(s, 'latin1')),
    ),
  });
  const original = Buffer.from(text);
  return fc.sample(fc.array(blow, { minLength: 1, maxLength: 3 }), { numRuns: count, seed }).map((blows) => {
    let bytes = original;
    for (const { at, length, bytes: inserted } of blows) {
      const start = at % (bytes.length + 1);
      bytes = Buffer.concat([bytes.subarray(0, start), inserted, bytes.subarray(start + length)]);
    }
    return bytes;
  });
}

/** Text-level edits that keep most configs well-formed: keys repeated, renamed, values swapped for others of the text. */
export function shuffle(text: string, count: number, seed: number): Buffer[] {
  const tokens: string[] = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
  const move = fc.record({
    from: fc.nat(),
    to: fc.nat(),
    span: fc.integer({ min: 1, max: 8 }),
    insert: fc.boolean(),
  });
  return fc.sample(fc.array(move, { minLength: 1, maxLength: 2 }), { numRuns: count, seed }).map((moves) => {
    let now = tokens;
    for (const { from, to, span, insert } of moves) {
      const piece = now.slice(from % now.length, (from % now.length) + span);
      const start = to % now.length;
      now = [...now.slice(0, start), ...piece, ...now.slice(start + (insert ? 0 : span))];
    }
    return Buffer.from(now.join(' '));
  });
}

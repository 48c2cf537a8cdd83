import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { toolCommand } from '../sdk/tool.ts';
import { fullConfig } from './oracle/base.ts';
import { damage, edits, render, shuffle, systematic } from './oracle/edits.ts';
import { odd } from './oracle/odd.ts';
import type { Entry } from './report.ts';
import { validate } from './validate.ts';

/**
 * Our verdict against that of Debian's own ignition-validate, whose tool tree is in DRAISINE_IGNITION_TOOLS.
 * DRAISINE_ORACLE_CONFIGS says how many configs are compared (default 500; each starts a process).
 */
const TOOLS = process.env.DRAISINE_IGNITION_TOOLS ?? '';
const CONFIGS = Number(process.env.DRAISINE_ORACLE_CONFIGS ?? 500);
const MINORS = [0, 1, 2, 3, 4];

/** Every `n`th, so that a small sample still spans the whole. */
function sample<T>(list: readonly T[], count: number): T[] {
  const step = Math.max(1, list.length / count);
  return Array.from({ length: Math.min(count, list.length) }, (_, i) => list[Math.floor(i * step)] as T);
}

function corpus(): Buffer[] {
  const share = Math.ceil((CONFIGS - odd.length) / 8 / MINORS.length);
  const random = MINORS.flatMap((minor) => {
    const base = render(fullConfig(minor));
    return [...edits(minor, 2 * share, minor), ...damage(base, share, minor), ...shuffle(base, share, minor)];
  });
  const single = MINORS.flatMap((minor) => sample(systematic(minor), 4 * share));
  return [...odd, ...[...single, ...random].map((text) => Buffer.from(text))];
}

interface Real {
  readonly status: number;
  /** Lines as printed; `couldn't parse config: …` on standard error. */
  readonly lines: readonly string[];
}

/** One shell runs the binary on all configs. */
function askReal(configs: readonly Buffer[]): Real[] {
  const folder = mkdtempSync(join(tmpdir(), 'draisine-oracle-'));
  try {
    mkdirSync(join(folder, 'out'));
    for (const [index, bytes] of configs.entries()) writeFileSync(join(folder, `${index}`), bytes);
    const { file, args } = toolCommand(TOOLS, 'ignition-validate');
    const script =
      'last=$1; shift; for i in $(seq 0 "$last"); do "$@" "$i" > "out/$i" 2>&1; echo "status $?" >> "out/$i"; done';
    const { status } = spawnSync('sh', ['-c', script, 'sh', `${configs.length - 1}`, file, ...args], {
      cwd: folder,
    });
    assert.equal(status, 0);
    return configs.map((_, index) => {
      const text = readFileSync(join(folder, 'out', `${index}`), 'utf8');
      const lines = text
        .trimEnd()
        .split('\n')
        .filter((line) => line !== '');
      return { status: Number(lines.at(-1)?.split(' ')[1]), lines: lines.slice(0, -1) };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** An entry in the words of the real one. */
function asReal({ kind, path, line, column, message }: Entry): string {
  return `${kind} at ${path}, line ${line} col ${column}: ${message}`;
}

/** What the real one says of the document as a whole: bad syntax, a wrong type, no version. */
const WHOLE = /^(error at line \d+ col \d+: |couldn't parse config: )/;

/** Ours beyond the real one. */
const isOwn = ({ message }: Entry): boolean => message.startsWith('key stands twice');

function disagreement(bytes: Buffer, real: Real): string | undefined {
  const ours = validate(bytes);
  const found = ours.entries.filter((entry) => !isOwn(entry)).map(asReal);
  const differs = (why: string): string =>
    `${why}\n${bytes.toString('utf8').slice(0, 2000)}\nreal (${real.status}):\n${real.lines.join('\n')}\nours (${ours.valid}):\n${found.join('\n')}`;
  if (ours.valid !== (real.status === 0)) return differs('verdict');
  if (real.lines.length === 1 && WHOLE.test(real.lines[0] ?? ''))
    return found.length > 0 ? undefined : differs('no reason');
  if (found.length !== real.lines.length) return differs('number of entries');
  // A number too large for a double costs the real one its places; %! is its printf stumbling over a percent sign.
  const plain = (text: string): string => text.replace(/, line \d+ col \d+/, '');
  const missing = real.lines.find(
    (line) =>
      !line.includes('%!') && !found.some((entry) => entry.startsWith(line) || plain(entry).startsWith(line)),
  );
  return missing === undefined ? undefined : differs(`missing: ${missing}`);
}

const skip =
  TOOLS === '' || !existsSync(TOOLS)
    ? 'DRAISINE_IGNITION_TOOLS names no tool tree (./draisine test does)'
    : false;

test('the verdict is that of the real ignition-validate', { skip, timeout: 3_600_000 }, () => {
  const configs = corpus();
  const answers = askReal(configs);
  const faults = configs.flatMap((bytes, index) => {
    const fault = disagreement(bytes, answers[index] ?? { status: -1, lines: [] });
    return fault === undefined ? [] : [fault];
  });
  assert.deepEqual(faults.slice(0, 3), []);
  const valid = answers.filter(({ status }) => status === 0).length;
  assert.ok(
    valid > configs.length / 20,
    `only ${valid} of ${configs.length} configs are valid: the corpus is too wild`,
  );
});

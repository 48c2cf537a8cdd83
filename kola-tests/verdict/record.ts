import { readdir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { cacheDir } from '../../sdk/lib/cache.ts';
import { ifThere } from '../../sdk/lib/errors.ts';
import { type Sha256, writeAtomic } from '../../sdk/lib/files.ts';
import { readOrEmpty } from '../harness/qemu/lines.ts';
import { seconds } from '../harness/qemu/wait.ts';

/** The subject of a verdict: a file of unit tests, a VM test, or a test on a sabotaged machine. */
export interface Subject {
  readonly kind: 'unit' | 'vm' | 'sabotage';
  readonly name: string;
}

/** A run that passed. */
export interface Pass {
  /** When it ended: ISO 8601, UTC, by the clock of its host. */
  readonly at: string;
  /** How long it took, in milliseconds. */
  readonly ms: number;
  /** The number of tests. */
  readonly tests: number;
}

/** The pass in the words of reports. */
export function toldPass({ at, ms, tests }: Pass): string {
  const what = tests === 1 ? 'passed' : `${tests} tests passed`;
  return `cached: ${what} on ${at.slice(0, 16).replace('T', ' ')} UTC in ${seconds(ms)}`;
}

/** The format of records. A change of their meaning raises it, and older records no longer count. */
const FORMAT = 1;

/** The number of passes that are kept for one subject: other branches and reverted edits need earlier ones. */
const KEPT = 16;

function folderOf({ kind, name }: Subject): string {
  return join(cacheDir(), 'kola', 'verdicts', kind, encodeURIComponent(name));
}

function pathOf(subject: Subject, key: Sha256): string {
  return join(folderOf(subject), `${key}.json`);
}

/** The pass of a subject with these inputs; undefined if there is none, or if its record is damaged or of another format. */
export async function readPass(subject: Subject, key: Sha256): Promise<Pass | undefined> {
  let value: unknown;
  try {
    value = JSON.parse((await readOrEmpty(pathOf(subject, key))) || 'null');
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { format, kind, name, key: own, at, ms, tests } = value as Readonly<Record<string, unknown>>;
  if (format !== FORMAT || kind !== subject.kind || name !== subject.name || own !== key) return undefined;
  if (typeof at !== 'string' || Number.isNaN(Date.parse(at))) return undefined;
  if (!isCount(ms) || !isCount(tests) || tests === 0) return undefined;
  return { at, ms, tests };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** The duration in milliseconds of a subject's latest pass with any inputs. It serves as a forecast. */
export async function latestMs(subject: Subject): Promise<number | undefined> {
  const folder = folderOf(subject);
  const dated = (await recordsOf(folder)).sort((a, b) => b.time - a.time);
  for (const { path } of dated) {
    const pass = await readPass(subject, basename(path, '.json'));
    if (pass) return pass.ms;
  }
  return undefined;
}

/** Stores a pass. Two runs may store the same one at once: both records are whole. */
export async function keepPass(subject: Subject, key: Sha256, pass: Pass): Promise<void> {
  const record = { format: FORMAT, ...subject, key, ...pass };
  await writeAtomic(pathOf(subject, key), `${JSON.stringify(record)}\n`);
  await dropOld(subject, `${key}.json`);
}

/** Removes a pass, because the same inputs have failed. */
export async function dropPass(subject: Subject, key: Sha256): Promise<void> {
  await rm(pathOf(subject, key), { force: true });
}

/** Removes the oldest records. The latest one stays, whatever its time is. */
async function dropOld(subject: Subject, latest: string): Promise<void> {
  const folder = folderOf(subject);
  const others = (await recordsOf(folder)).filter(({ path }) => basename(path) !== latest);
  if (others.length < KEPT) return;
  const dated = others.sort((a, b) => b.time - a.time);
  await Promise.all(dated.slice(KEPT - 1).map(({ path }) => rm(path, { force: true })));
}

/** The records in a folder, and when each was written. */
async function recordsOf(folder: string): Promise<{ readonly path: string; readonly time: number }[]> {
  const names = (await ifThere(readdir(folder))) ?? [];
  const paths = names.filter((name) => name.endsWith('.json')).map((name) => join(folder, name));
  return await Promise.all(paths.map(async (path) => ({ path, time: await changed(path) })));
}

async function changed(path: string): Promise<number> {
  return (await ifThere(stat(path)))?.mtimeMs ?? 0; // 0: another run has dropped it
}

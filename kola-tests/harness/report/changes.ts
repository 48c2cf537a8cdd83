import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDir } from '../../../sdk/lib/cache.ts';
import { ifThere } from '../../../sdk/lib/errors.ts';
import { byteOrder, writeAtomic } from '../../../sdk/lib/files.ts';
import { seconds } from '../qemu/wait.ts';

/** The part of a manifest that distinguishes two builds. */
export interface Build {
  readonly version: string;
  readonly usrHash: string;
  readonly packages: readonly { readonly name: string; readonly version: string }[];
  /** The tests that passed on it, with their durations in milliseconds. */
  readonly tests?: Readonly<Record<string, number>>;
}

/** A test counts as slower if its duration has grown by this factor, and by this number of milliseconds. */
const SLOWER = { times: 2, ms: 3000 };

function greenFile(image: string): string {
  return join(cacheDir(), 'kola', `green-${image}.json`);
}

/** Reads the data for comparing builds from a manifest. */
export async function readBuild(manifest: string): Promise<Build> {
  const { version, usrHash, packages = [] } = JSON.parse(await readFile(manifest, 'utf8')) as Partial<Build>;
  return { version: version ?? '', usrHash: usrHash ?? '', packages };
}

/** SHA-256 of the files that a manifest names, by file name. They identify the tested bytes. */
export async function artifactDigests(manifest: string): Promise<Record<string, string>> {
  const { artifacts = [] } = JSON.parse(await readFile(manifest, 'utf8')) as {
    artifacts?: readonly { readonly path: string; readonly sha256: string }[];
  };
  return Object.fromEntries(artifacts.map(({ path, sha256 }) => [path, sha256]));
}

/** Records a build on which every test passed. */
export async function rememberGreen(image: string, build: Build): Promise<void> {
  await writeAtomic(greenFile(image), `${JSON.stringify(build)}\n`);
}

/** The last build on which every test passed, if there was one. */
export async function lastGreen(image: string): Promise<Build | undefined> {
  const text = await ifThere(readFile(greenFile(image), 'utf8'));
  return text === undefined ? undefined : (JSON.parse(text) as Build);
}

/** The changes between two builds, one line each; empty if they are the same. */
export function changes(before: Build, now: Build): string[] {
  const lines: string[] = [];
  if (before.version !== now.version) lines.push(`version ${before.version} → ${now.version}`);
  if (before.usrHash !== now.usrHash)
    lines.push(`/usr ${before.usrHash.slice(0, 12)} → ${now.usrHash.slice(0, 12)}`);
  const old = new Map(before.packages.map(({ name, version }) => [name, version]));
  const fresh = new Map(now.packages.map(({ name, version }) => [name, version]));
  for (const name of [...new Set([...old.keys(), ...fresh.keys()])].sort(byteOrder)) {
    const [from, to] = [old.get(name), fresh.get(name)];
    if (from !== to) lines.push(`package ${name}: ${from ?? 'not there'} → ${to ?? 'gone'}`);
  }
  for (const [test, ms] of Object.entries(now.tests ?? {})) {
    const earlier = before.tests?.[test];
    if (earlier !== undefined && ms > SLOWER.times * earlier && ms > earlier + SLOWER.ms)
      lines.push(`test ${test} is slower: ${seconds(earlier)} → ${seconds(ms)}`);
  }
  return lines;
}

import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, rmSync, writeSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../../sdk/lib/errors.ts';
import { runProcess } from '../../../sdk/process.ts';
import { runTool, toolCommand } from '../../../sdk/tool.ts';
import type { CrashDisk, Region } from './disk.ts';
import type { CrashState } from './order.ts';
import { type Recording, statesOf, writeOut } from './survey.ts';

/** Files of a state partition, by path: kind, mode, owner and SHA-256 in one word. A path that is not there has no entry. */
export type Files = ReadonlyMap<string, string>;

/** States with the same files. */
export interface SameFiles {
  readonly files: Files;
  /** How many states have them, and the number of the first. */
  readonly count: number;
  readonly first: number;
}

/** What the watched files are in the states that a power cut may leave. */
export interface FilesFound {
  readonly states: number;
  readonly kinds: readonly SameFiles[];
  readonly first: Files;
  readonly last: Files;
  /** States whose file system is not whole after its journal was replayed. */
  readonly wrong: readonly string[];
}

/**
 * What the watched files of the state partition are in each state of a recording. Each state is brought up as a boot
 * does it (`e2fsck -p` replays the journal), checked as a whole (`e2fsck -fn`), and read (debugfs(8)). States whose
 * state partition has the same bytes are looked at once.
 */
export async function watchFiles(
  recording: Recording,
  {
    region,
    paths,
    tools,
    dir,
    progress,
  }: {
    readonly region: Region;
    readonly paths: readonly string[];
    /** Root of a tool tree with e2fsprogs. */
    readonly tools: string;
    readonly dir: string;
    progress?(states: number): void;
  },
): Promise<FilesFound> {
  const partition = new PartitionFile(recording, region, join(dir, 'partition.raw'));
  const reader = await Reader.make(tools, dir, paths);
  const byKey = new Map<string, Files>();
  const kinds = new Map<string, { files: Files; count: number; first: number }>();
  const wrong: string[] = [];
  let states = 0;
  let ends: { first: Files; last: Files } | undefined;
  try {
    for (const { disk, state } of statesOf(recording)) {
      partition.follow(disk, state);
      const { key } = disk.view(region);
      let files = byKey.get(key);
      if (!files) {
        files = await reader.filesOf(partition.path, {
          wrong: (why) => void wrong.push(`state ${states}: ${why}`),
          stale: () => partition.close(),
        });
        byKey.set(key, files);
      }
      ends = { first: ends?.first ?? files, last: files };
      const text = JSON.stringify([...files]);
      const kind = kinds.get(text) ?? { files, count: 0, first: states };
      kind.count += 1;
      kinds.set(text, kind);
      states += 1;
      if (states % 100 === 0) progress?.(states);
    }
  } finally {
    partition.close();
  }
  if (!ends) throw new Failure('the recording has no state');
  return { states, kinds: [...kinds.values()], wrong, ...ends };
}

/** The state partition as a file that goes from state to state; only sectors that may differ are written. */
class PartitionFile {
  readonly path: string;
  readonly #recording: Recording;
  readonly #region: Region;
  #fd: number | undefined;
  /** Requests whose sectors may differ from what is durable. */
  #loose: readonly number[] = [];

  constructor(recording: Recording, region: Region, path: string) {
    this.#recording = recording;
    this.#region = region;
    this.path = path;
  }

  follow(disk: CrashDisk, state: CrashState): void {
    const now = [...state.applied, ...(state.torn ? [state.torn.entry] : [])];
    if (this.#fd === undefined) {
      writeOut(disk, this.#region, this.path);
      this.#fd = openSync(this.path, 'r+');
    } else
      for (const index of new Set([...this.#loose, ...state.settled, ...now])) this.#rewrite(disk, index);
    this.#loose = now;
  }

  /** The file is written anew for the next state, if there is one. */
  close(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    rmSync(this.path);
    this.#fd = undefined;
  }

  #rewrite(disk: CrashDisk, index: number): void {
    const { entries, sectorSize } = this.#recording.log;
    const { sector, sectors } = entries[index]!;
    const from = Math.max(0, sector * sectorSize - this.#region.offset);
    const to = Math.min(this.#region.length, (sector + sectors) * sectorSize - this.#region.offset);
    if (to <= from) return;
    const bytes = disk.view(this.#region).read(from, to - from);
    writeSync(this.#fd!, bytes, 0, bytes.length, from);
  }
}

/** Reads files of an ext4 file system as a boot would find them, and leaves the file system as it was. */
class Reader {
  readonly #tools: string;
  readonly #undo: string;
  readonly #commands: string;
  readonly #out: string;
  readonly #paths: readonly string[];

  private constructor(tools: string, dir: string, paths: readonly string[]) {
    this.#tools = tools;
    this.#paths = paths;
    this.#undo = join(dir, 'undo');
    this.#commands = join(dir, 'commands');
    this.#out = join(dir, 'files');
  }

  static async make(tools: string, dir: string, paths: readonly string[]): Promise<Reader> {
    const reader = new Reader(tools, dir, paths);
    const lines = paths.flatMap((path, index) => [
      `stat "${path}"`,
      `dump "${path}" ${reader.#out}/${index}`,
    ]);
    await writeFile(reader.#commands, `${lines.join('\n')}\n`);
    return reader;
  }

  /** `stale` is called when the file system is not as it was before. */
  async filesOf(
    image: string,
    { wrong, stale }: { wrong(why: string): void; stale(): void },
  ): Promise<Files> {
    await rm(this.#undo, { force: true });
    await rm(this.#out, { recursive: true, force: true });
    await mkdir(this.#out);
    try {
      const replayed = await this.#run('e2fsck', '-p', '-z', this.#undo, image);
      if (replayed.code > 1) wrong(replayed.said);
      const whole = await this.#run('e2fsck', '-f', '-n', image);
      if (whole.code !== 0) wrong(whole.said);
      const said = (await runTool(this.#tools, 'debugfs', ['-f', this.#commands, image])).toString();
      return await this.#parse(said);
    } finally {
      // There is none when e2fsck changed nothing, and a spoilt one when e2fsck gave up in the middle.
      if (existsSync(this.#undo) && (await this.#run('e2undo', this.#undo, image)).code !== 0) stale();
    }
  }

  async #run(tool: string, ...args: readonly string[]): Promise<{ code: number; said: string }> {
    const { code, stdout, stderr } = await runProcess(toolCommand(this.#tools, tool, args));
    return { code: code ?? -1, said: `${stdout.toString()}${stderr}`.trim().slice(-2000) };
  }

  async #parse(said: string): Promise<Files> {
    const answers = said.split(/^debugfs: stat .*\n/m).slice(1);
    if (answers.length !== this.#paths.length)
      throw new Failure(`debugfs gave ${answers.length} answers to ${this.#paths.length} questions\n${said}`);
    const files = new Map<string, string>();
    for (const [index, path] of this.#paths.entries()) {
      const about = statOf(answers[index]!);
      if (about === undefined) continue;
      const digest = about.startsWith('regular') ? await digestOf(join(this.#out, String(index))) : '';
      files.set(path, `${about} ${digest}`.trim());
    }
    return files;
  }
}

/** Kind, mode, owner and target of a link, of what debugfs's `stat` says; undefined when there is nothing. */
function statOf(answer: string): string | undefined {
  const kind = /Type: (.+?)\s+Mode:\s+(\d+)/.exec(answer);
  if (!kind) return undefined;
  const owner = /User:\s+(\d+)\s+Group:\s+(\d+)/.exec(answer);
  const link = /Fast link dest: "?(.*?)"?$/m.exec(answer)?.[1] ?? '';
  return [kind[1], kind[2], `${owner?.[1]}:${owner?.[2]}`, link].join(' ').trim();
}

const digestOf = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../../sdk/lib/errors.ts';
import { runProcess } from '../../../sdk/process.ts';
import { runTool, toolCommand } from '../../../sdk/tool.ts';

/** Files of a state partition: path → kind, mode, owner and SHA-256 in one text. A missing path has no entry. */
export type Files = ReadonlyMap<string, string>;

/** Reads files of an ext4 file system in the state that a boot would find. It does not change the file system. */
export class Reader {
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

  /** `dir`: an existing folder that no other reader uses. */
  static async make(tools: string, dir: string, paths: readonly string[]): Promise<Reader> {
    const reader = new Reader(tools, dir, paths);
    const lines = paths.flatMap((path, index) => [
      `stat "${path}"`,
      `dump "${path}" ${reader.#out}/${index}`,
    ]);
    await writeFile(reader.#commands, `${lines.join('\n')}\n`);
    return reader;
  }

  /** `stale` is called if the file system was changed. */
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
      // There is no undo file if e2fsck changed nothing, and a damaged one if e2fsck stopped in the middle.
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

/** Kind, mode, owner and link target, from the output of debugfs's `stat`; undefined if the path does not exist. */
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

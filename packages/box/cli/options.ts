import { WrongUsage } from '../install/terminal.ts';

export interface Options {
  readonly words: readonly string[];
  readonly json: boolean;
  readonly help: boolean;
  /** Values of the options that a verb takes. */
  readonly values: Readonly<Record<string, string>>;
}

/** `--name value` and `--name=value` for each of `names`; --json and --help always. */
export function parseOptions(args: readonly string[], names: readonly string[]): Options {
  const words: string[] = [];
  const values: Record<string, string> = {};
  let [json, help] = [false, false];
  for (let index = 0; index < args.length; index++) {
    const argument = args[index]!;
    const [, name, , given] = /^--([a-z-]+)(=(.*))?$/s.exec(argument) ?? [];
    if (argument === '--json') json = true;
    else if (argument === '--help' || argument === '-h') help = true;
    else if (name !== undefined && names.includes(name)) {
      const value = given ?? args[++index];
      if (value === undefined) throw new WrongUsage(`--${name} needs a value`);
      values[name] = value;
    } else if (argument.startsWith('-')) throw new WrongUsage(`unknown option ${argument}`);
    else words.push(argument);
  }
  return { words, json, help, values };
}

/** Milliseconds of a duration as people write it: 90m, 36h, 14d. */
export function parseDuration(text: string): number {
  const [, count, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  if (count === undefined) throw new WrongUsage(`a duration as 90m, 36h or 14d, not ${text}`);
  return Number(count) * { m: 60_000, h: 3_600_000, d: 86_400_000 }[unit as 'm' | 'h' | 'd'];
}

import { WrongUsage } from '../install/terminal.ts';

/** Names of the options that a verb takes, without hyphens in front. */
export interface OptionNames {
  /** With a value, once. */
  readonly options: readonly string[];
  /** With a value, as often as somebody likes. */
  readonly lists?: readonly string[];
  /** Without a value. */
  readonly flags?: readonly string[];
}

/** The words of a command line, read. */
export interface Options {
  readonly words: readonly string[];
  readonly json: boolean;
  readonly help: boolean;
  /** Values of the options that a verb takes. */
  readonly values: Readonly<Record<string, string>>;
  readonly lists: Readonly<Record<string, readonly string[]>>;
  readonly flags: ReadonlySet<string>;
}

/** `--name value` and `--name=value` for options and lists, `--name` for flags; --json and --help always. */
export function parseOptions(args: readonly string[], names: OptionNames): Options {
  const { options, lists: listNames = [], flags: flagNames = [] } = names;
  const words: string[] = [];
  const values: Record<string, string> = {};
  const lists: Record<string, string[]> = {};
  const flags = new Set<string>();
  for (let index = 0; index < args.length; index++) {
    const argument = args[index]!;
    const [, name = '', , given] = /^--([a-z-]+)(=(.*))?$/s.exec(argument) ?? [];
    if (argument === '-h') flags.add('help');
    else if (given === undefined && [...flagNames, 'json', 'help'].includes(name)) flags.add(name);
    else if (options.includes(name) || listNames.includes(name)) {
      const value = given ?? args[++index];
      if (value === undefined) throw new WrongUsage(`--${name} needs a value`);
      if (options.includes(name)) values[name] = value;
      else lists[name] = [...(lists[name] ?? []), value];
    } else if (argument.startsWith('-')) throw new WrongUsage(`unknown option ${argument}`);
    else words.push(argument);
  }
  return { words, json: flags.has('json'), help: flags.has('help'), values, lists, flags };
}

/** Milliseconds of a duration as people write it: 90m, 36h, 14d. */
export function parseDuration(text: string): number {
  const [, count, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  if (count === undefined) throw new WrongUsage(`a duration as 90m, 36h or 14d, not ${text}`);
  return Number(count) * { m: 60_000, h: 3_600_000, d: 86_400_000 }[unit as 'm' | 'h' | 'd'];
}

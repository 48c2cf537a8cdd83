import { WrongUsage } from '../install/terminal.ts';

/** Names of the options of a verb, without leading hyphens. */
export interface OptionNames {
  /** Options with a value, given once. */
  readonly options: readonly string[];
  /** Options with a value, given any number of times. */
  readonly lists?: readonly string[];
  /** Options without a value. */
  readonly flags?: readonly string[];
}

/** The parsed words of a command line. */
export interface Options {
  readonly words: readonly string[];
  readonly json: boolean;
  readonly help: boolean;
  /** Values of a verb's options. */
  readonly values: Readonly<Record<string, string>>;
  readonly lists: Readonly<Record<string, readonly string[]>>;
  readonly flags: ReadonlySet<string>;
}

/**
 * Reads `--name value` and `--name=value` for options and lists, and `--name` for flags. --json and --help
 * are always known.
 */
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

/** Milliseconds of a duration such as 90m, 36h or 14d. */
export function parseDuration(text: string): number {
  const [, count, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  if (count === undefined) throw new WrongUsage(`not a duration such as 90m, 36h or 14d: ${text}`);
  return Number(count) * { m: 60_000, h: 3_600_000, d: 86_400_000 }[unit as 'm' | 'h' | 'd'];
}

import { type Command, InvalidArgumentError } from 'commander';

function count(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('must be a whole number from 1 on.');
  return Number(text);
}

/** The publisher makes a release at the end of each week but the last, and one of them must be bad. */
function days(text: string): number {
  if (count(text) < 14) throw new InvalidArgumentError('must be 14 or more: there is a release a week.');
  return count(text);
}

function share(text: string): number {
  const value = Number(text);
  if (text === '' || !(value >= 0 && value <= 1))
    throw new InvalidArgumentError('must be a share from 0 to 1.');
  return value;
}

/** Registers `channel simulate` beside the verbs of build/. */
export function register(program: Command): void {
  const channel = program.commands.find((each) => each.name() === 'channel') ?? program.command('channel');
  channel
    .command('simulate')
    .description('simulate a year of many boxes, by their own code, with the channels of a folder')
    .argument(
      '<base>',
      'the folder with the channels; the simulation uses their policies and the size of the newest release',
    )
    .option('--boxes <n>', 'number of boxes', count, 8000)
    .option('--days <n>', 'number of days, at least 14', days, 364)
    .option('--seed <n>', 'seed of the random numbers', count, 1)
    .option('--image <name>', 'the image; default: the only one in the folder')
    .option('--bad-in <channel>', 'the first channel with boxes on which the bad release fails', 'stable')
    .option('--bad-share <share>', 'the share of these boxes', share, 0.2)
    .option(
      '--packages <share>',
      'the share of a release that is fetched after a change of packages',
      share,
      0.092,
    )
    .option('--kernel <share>', 'the same after a change of the kernel, in every fourth release', share, 0.25)
    .option('--svg <file>', 'write a plot to this file')
    .option('--json', 'one JSON document on stdout')
    .action(async (base: string, flags: Parameters<typeof import('./command.ts').channelSimulate>[1]) => {
      const { channelSimulate } = await import('./command.ts');
      await channelSimulate(base, flags);
    });
}

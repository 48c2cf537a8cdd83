import { type Command, InvalidArgumentError } from 'commander';

function count(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('must be a whole number from 1 on.');
  return Number(text);
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
    .description('a year of many boxes that run their own code against the channels of a folder')
    .argument('<base>', 'the folder: its policies and the size of its newest release count')
    .option('--boxes <n>', 'how many', count, 8000)
    .option('--days <n>', 'how long', count, 364)
    .option('--seed <n>', 'another year of another fleet', count, 1)
    .option('--image <name>', 'which image; default: the only one there')
    .option('--bad-in <channel>', 'the first channel that has boxes on which the bad release fails', 'stable')
    .option('--bad-share <share>', 'the share of these boxes', share, 0.2)
    .option('--packages <share>', 'of a release that is fetched when packages changed', share, 0.092)
    .option('--kernel <share>', 'and when the kernel changed too, every fourth time', share, 0.25)
    .option('--svg <file>', 'write the plot there')
    .option('--json', 'one JSON document on stdout')
    .action(async (base: string, flags: Parameters<typeof import('./command.ts').channelSimulate>[1]) => {
      const { channelSimulate } = await import('./command.ts');
      await channelSimulate(base, flags);
    });
}

import { Command, CommanderError } from 'commander';
import { describeFailure, Failure } from './sdk/lib/errors.ts';
import { setQuiet } from './sdk/lib/log.ts';
import { endWithOutput } from './sdk/lib/streams.ts';

/**
 * Each room owns its verbs and registers them here. A room is only loaded when one of its verbs is asked for,
 * so that `build` with nothing to do starts in a fraction of a second.
 */
const rooms: { verbs: readonly string[]; load: () => Promise<{ register(program: Command): void }> }[] = [
  {
    verbs: ['build', 'graph', 'size', 'diff', 'flash', 'clean', 'sdk'],
    load: () => import('./build/cli/verbs.ts'),
  },
  { verbs: ['keys', 'release', 'channel', 'mirror'], load: () => import('./build/cli/release-verbs.ts') },
  { verbs: ['channel'], load: () => import('./packages/box/simulate/verbs.ts') },
  { verbs: ['lock', 'resolve', 'why'], load: packageVerbs },
  { verbs: ['ignition', 'iso'], load: () => import('./ignition/cli/verbs.ts') },
  { verbs: ['apply', 'status'], load: () => import('./ignition/apply/verbs.ts') },
  { verbs: ['serve'], load: () => import('./ignition/serve/verbs.ts') },
  { verbs: ['run', 'test', 'kola', 'doctor'], load: () => import('./kola-tests/verbs.ts') },
];

/** The verbs of build/ that need what packages/ pins: build/ is given it as a value. */
async function packageVerbs(): Promise<{ register(program: Command): void }> {
  const [{ register }, { sets, toolSets }] = await Promise.all([
    import('./build/cli/package-verbs.ts'),
    import('./packages/sets/index.ts'),
  ]);
  return { register: (program) => register(program, sets, toolSets) };
}

const QUIET = ['-q, --quiet', 'no progress, only errors and results'] as const;

/** Before a verb or behind it, also behind the verb of a verb. */
function addQuiet(verb: Command): void {
  verb.option(...QUIET);
  for (const below of verb.commands) addQuiet(below);
}

/** The command that shows the options and arguments of what was called. */
function helpFor(program: Command, args: readonly string[]): string {
  const words: string[] = [];
  let verb: Command | undefined = program;
  for (const word of args.filter((each) => !each.startsWith('-'))) {
    verb = verb.commands.find((each) => each.name() === word || each.aliases().includes(word));
    if (verb === undefined) break;
    words.push(word);
  }
  return ['./draisine', ...words, '--help'].join(' ');
}

async function main(given: string[]): Promise<number> {
  // `help kola run`: commander's own help looks at one word only.
  const [first, ...behind] = given;
  const args = first === 'help' && behind.length > 0 ? [...behind, '--help'] : given;
  const program = new Command('draisine')
    .description('Builds, boots and proves a small immutable container-first Linux')
    .option(...QUIET)
    .exitOverride()
    .enablePositionalOptions()
    .hook('preAction', (_root, verb) => setQuiet(verb.optsWithGlobals<{ quiet?: boolean }>().quiet === true));
  const wanted = args.find((arg) => !arg.startsWith('-'));
  const asked = rooms.filter((room) => wanted === undefined || room.verbs.includes(wanted));
  for (const room of asked.length > 0 ? asked : rooms) (await room.load()).register(program);
  for (const verb of program.commands) addQuiet(verb);
  try {
    await program.parseAsync(args, { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      process.stderr.write(`  hint: ${helpFor(program, args)}\n`);
      return 2;
    }
    process.stderr.write(`${describeFailure(error)}\n`);
    return error instanceof Failure ? error.exitCode : 1;
  }
}

/** Nothing is left to wait for, and yet the verb has not ended: Node would exit without a word. */
function endsUnfinished(): never {
  const hint = 'this is a defect of Draisine; what it did last is in the lines above';
  process.stderr.write(`${describeFailure(new Failure('it stopped before it was done', { hint }))}\n`);
  process.exit(1);
}

endWithOutput(process.stdout, process.stderr);
process.once('beforeExit', endsUnfinished);
process.exitCode = await main(process.argv.slice(2));
process.off('beforeExit', endsUnfinished);

import type { Command } from 'commander';
import { attach } from './cli/attach.ts';
import { type CrashOptions, crashStatesOf } from './cli/crash-states.ts';
import { doctor } from './cli/doctor.ts';
import { type KolaOptions, listTests, runTests } from './cli/kola.ts';
import { parseCount, parseCountOrNone, parseTime } from './cli/options.ts';
import { type RunOptions, runImage } from './cli/run.ts';
import { runSabotages, type SabotageOptions } from './cli/sabotage.ts';
import { type SpawnOptions, spawnMachine } from './cli/spawn.ts';
import { type TestOptions, testEverything } from './cli/test.ts';

const FRESH = 'run again what has passed and has not changed since';
const SHARD = 'only part I of N';
const DURATIONS = 'a history.jsonl, the same for all parts, to balance the VM tests by';
const REPORT = 'where the report and the evidence of failed tests go; default out/report';

/** The verbs of this room: run, test, kola, doctor. */
export function register(program: Command): void {
  program
    .command('run')
    .description('boot an image in QEMU on this terminal')
    .argument('<image>')
    .option('--ignition <file>', 'machine config: Ignition JSON, or what `ignition compile` takes')
    .option(
      '--no-config',
      'boot without a machine config; without this and --ignition one with your SSH keys is made',
    )
    .option('--memory <size>', 'guest memory, e.g. 512M or 2G', '1G')
    .option('--cpus <n>', 'processors', parseCount, 2)
    .option('--disk <size>', 'add a blank disk, e.g. 10G; may be given several times', collect, [])
    .option('--boot <from>', 'where the image is: disk, usb (a stick) or iso (a CD)', 'disk')
    .action(async (image: string, options: RunOptions) => exit(await runImage(image, options)));

  program
    .command('test')
    .description('checks of the sources, unit tests, then builds what is missing, then VM tests')
    .argument(
      '[pattern...]',
      'part of the name of a check or of the path of a unit test, or a glob on names of VM tests',
    )
    .option('--static', 'checks of the sources only: types, lint, imports, docstrings, shell')
    .option('--unit', 'unit tests only')
    .option('--vm', 'VM tests only')
    .option('--all', 'the long tests too: sabotages, the image generic, series of power cuts')
    .option('--image <image>', 'the image of the VM tests', 'n100')
    .option('--shard <i/n>', SHARD)
    .option('--durations <file>', DURATIONS)
    .option('--report <dir>', REPORT)
    .option('--fresh', FRESH)
    .action(async (patterns: string[], options: TestOptions) =>
      exit(await testEverything(patterns, options)),
    );

  program
    .command('doctor')
    .description('what this host can do, and how to fix what it cannot')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => exit(await doctor(options)));

  registerKola(program.command('kola').description('the VM test harness'));
}

function registerKola(kola: Command): void {
  const common = (command: Command): Command =>
    command
      .argument('[glob...]', 'names, areas or tag:TAG; default all')
      .option('--image <image>', 'which image', 'n100');
  common(kola.command('list').description('list tests: tags, machines, last durations, flakes'))
    .option('--json', 'as JSON')
    .action(async (globs: string[], options: KolaOptions) => exit(await listTests(globs, options)));
  common(kola.command('run').description('run VM tests'))
    .option(
      '--parallel <n>',
      'tests at once; default: the number of processors, memory permitting',
      parseCount,
    )
    .option('--shard <i/n>', SHARD)
    .option('--durations <file>', DURATIONS)
    .option('--rerun-failed', 'only those that failed last time')
    .option('--fresh', `${FRESH}; a test given by its whole name always runs`)
    .option('--report <dir>', REPORT)
    .option('--json', 'result as JSON on stdout')
    .option('--keep [when]', 'leave the machines of a failed test running (--keep=always: of any test)')
    .option(
      '--keep-for <time>',
      'end kept machines after e.g. 10m; without, Enter on the terminal does',
      parseTime,
    )
    .option('--bisect', 'build first; exit codes for `git bisect run`: 0 good, 1 bad, 125 cannot be tested')
    .action(async (globs: string[], options: KolaOptions) => exit(await runTests(globs, options)));
  common(
    kola.command('sabotage').description('break things on purpose: the tests that look for it must fail'),
  )
    .option('--fresh', FRESH)
    .option('--list', 'only say what would be broken, and which tests have to notice')
    .option('--parallel <n>', 'at once; default: the number of processors, memory permitting', parseCount)
    .option('--report <dir>', 'where the evidence goes; default out/report')
    .option('--json', 'result as JSON on stdout')
    .action(async (globs: string[], options: SabotageOptions) => exit(await runSabotages(globs, options)));
  kola
    .command('crash-states')
    .description('what a power cut may leave at every moment of a flow: each state must boot a whole release')
    .argument('[flow]', 'without, the flows there are')
    .option('--image <image>', 'which image', 'n100')
    .option('--boot <n>', 'really boot so many of the states, or 0', parseCountOrNone, 3)
    .option('--json', 'result as JSON on stdout')
    .action(async (flow: string | undefined, options: CrashOptions) =>
      exit(await crashStatesOf(flow, options)),
    );
  kola
    .command('spawn')
    .description('a root shell on a fresh fork; with the name of a test, on a machine like its first one')
    .argument('[test]')
    .option('--image <image>', 'which image', 'n100')
    .option(
      '--repl',
      'instead of a shell JavaScript, with the machines as variables; takes a script as input',
    )
    .action(async (test: string | undefined, options: SpawnOptions) =>
      exit(await spawnMachine(test, options)),
    );
  kola
    .command('attach')
    .description('a root shell on a machine that `kola run --keep` holds, or a command run there')
    .argument('<folder>', 'of the machine, as printed')
    .argument('[command...]')
    .passThroughOptions()
    .action(async (folder: string, command: string[]) => exit(await attach(folder, command)));
}

function exit(code: number): void {
  process.exitCode = code;
}

function collect(value: string, all: string[]): string[] {
  return [...all, value];
}

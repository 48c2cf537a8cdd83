import type { Command } from 'commander';
import { collect } from '../sdk/lib/options.ts';
import { attach } from './cli/attach.ts';
import { type CrashOptions, crashStatesOf } from './cli/crash-states.ts';
import { doctor } from './cli/doctor.ts';
import { type KolaOptions, listTests, runTests } from './cli/kola.ts';
import { parseCount, parseCountOrNone, parseTime } from './cli/options.ts';
import { type RunOptions, runImage } from './cli/run.ts';
import { runSabotages, type SabotageOptions } from './cli/sabotage.ts';
import { type SpawnOptions, spawnMachine } from './cli/spawn.ts';
import { type TestOptions, testEverything } from './cli/test.ts';

const FRESH = 'also run tests that have passed and have not changed since';
const SHARD = 'only part I of N';
const DURATIONS = 'a history.jsonl, the same for all parts; its durations balance the VM tests';
const REPORT = 'the folder of the report and of the evidence of failed tests; default out/report';

/** The verbs of this room: run, test, kola, doctor. */
export function register(program: Command): void {
  program
    .command('run')
    .description('boot an image in QEMU on this terminal')
    .argument('<image>')
    .option('--ignition <file>', 'machine config: Ignition JSON, or any file that `ignition compile` accepts')
    .option(
      '--no-config',
      'boot without a machine config; without this and --ignition one with your SSH keys is made',
    )
    .option('--memory <size>', 'guest memory, e.g. 512M or 2G', '1G')
    .option('--cpus <n>', 'processors', parseCount, 2)
    .option('--disk <size>', 'add a blank disk, e.g. 10G; may be given several times', collect, [])
    .option('--boot <from>', 'the medium with the image: disk, usb (a stick) or iso (a CD)', 'disk')
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
    .description('check this host, with a hint for each missing feature')
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
    .option('--rerun-failed', 'only tests that failed in the last run')
    .option('--fresh', `${FRESH}; a test given by its whole name always runs`)
    .option('--report <dir>', REPORT)
    .option('--json', 'result as JSON on stdout')
    .option('--keep [when]', 'leave the machines of a failed test running (--keep=always: of any test)')
    .option(
      '--keep-for <time>',
      'end kept machines after this time, e.g. 10m; default: when you press Enter',
      parseTime,
    )
    .option('--bisect', 'build first; exit codes for `git bisect run`: 0 good, 1 bad, 125 cannot be tested')
    .action(async (globs: string[], options: KolaOptions) => exit(await runTests(globs, options)));
  common(kola.command('sabotage').description('break features on purpose: the tests for them must fail'))
    .option('--fresh', FRESH)
    .option('--list', 'only list the sabotages, and the tests that must fail')
    .option('--parallel <n>', 'at once; default: the number of processors, memory permitting', parseCount)
    .option('--report <dir>', 'the folder of the evidence; default out/report')
    .option('--json', 'result as JSON on stdout')
    .action(async (globs: string[], options: SabotageOptions) => exit(await runSabotages(globs, options)));
  kola
    .command('crash-states')
    .description(
      'check all disk states that a power cut may leave during a flow: each one must boot an intact release',
    )
    .argument('[flow]', 'a flow; without it, the flows are listed')
    .option('--image <image>', 'which image', 'n100')
    .option('--boot <n>', 'number of states to boot, or 0', parseCountOrNone, 3)
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
      'JavaScript instead of a shell, with the machines as variables; a script may be the input',
    )
    .action(async (test: string | undefined, options: SpawnOptions) =>
      exit(await spawnMachine(test, options)),
    );
  kola
    .command('attach')
    .description('a root shell on a machine that `kola run --keep` holds, or a command run there')
    .argument('<folder>', 'the folder of the machine, as `kola run --keep` prints it')
    .argument('[command...]')
    .passThroughOptions()
    .action(async (folder: string, command: string[]) => exit(await attach(folder, command)));
}

function exit(code: number): void {
  process.exitCode = code;
}

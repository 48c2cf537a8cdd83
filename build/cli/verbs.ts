import { type Command, InvalidArgumentError } from 'commander';
import { parseAge } from './age.ts';

/** Registers `build`, `graph`, `clean`, `size`, `diff`, `flash` and `sdk`. Each loads its own module when it runs. */
export function register(program: Command): void {
  program
    .command('build')
    .description('build images (default: n100) or any target; only targets with changed inputs run')
    .argument('[target...]', 'image (`n100`), artifact (`n100:uki`) or any other target (`zfs`)')
    .option('-j, --jobs <n>', 'number of recipes at once (default: one for each processor)', positive)
    .option('-n, --dry-run', 'only list the targets that would run')
    .option('-k, --keep-going', 'after a failure, go on with targets that do not depend on it')
    .option('-B, --rebuild', 'run all recipes but downloads, although nothing changed')
    .option('--explain', 'name the changed input of each target that runs')
    .option('--json', 'one JSON document on stdout')
    .option('--dev', 'development compression: faster and larger; into out/IMAGE-dev/')
    .option('--push', 'push all outputs to the remote store (DRAISINE_REMOTE)')
    .action(async (targets: string[], flags: object) => {
      const { build } = await import('./build.ts');
      process.exitCode = await build(targets, flags);
    });
  program
    .command('graph')
    .description('show the build graph as a text tree')
    .argument('[target...]', 'images or targets; default: all images')
    .option('--svg <file>', 'write it as an SVG picture')
    .option('--json', 'one JSON document on stdout')
    .action(async (targets: string[], flags: object) => {
      const { graph } = await import('./graph.ts');
      await graph(targets, flags);
    });
  program
    .command('clean')
    .description('remove out/, or unused parts of the store')
    .option('--store', 'remove the whole store, or with --older-than its unused parts')
    .option(
      '--older-than <age>',
      'remove parts of the store that were not used for this time: 12h, 30d, 4w',
      age,
    )
    .option('--json', 'one JSON document on stdout')
    .action(async (flags: object) => {
      const { clean } = await import('./clean.ts');
      await clean(flags);
    });
  registerReports(program);
  registerSdk(program.command('sdk').description('the pinned tool tree'));
}

function registerReports(program: Command): void {
  program
    .command('size')
    .description('show the sizes of the parts of a built image')
    .argument('<image>', 'image name, folder with a manifest.json, or manifest')
    .option('--html <file>', 'write a treemap page')
    .option('--json', 'one JSON document on stdout')
    .action(async (image: string, flags: object) => {
      const { size } = await import('./size.ts');
      await size(image, flags);
    });
  program
    .command('diff')
    .description('show the differences between two built images')
    .argument('<a>', 'image name, folder with a manifest.json, or manifest')
    .argument('<b>', 'the same, for the newer one')
    .option('--json', 'one JSON document on stdout')
    .action(async (a: string, b: string, flags: object) => {
      const { diff } = await import('./diff.ts');
      await diff(a, b, flags);
    });
  program
    .command('flash')
    .description('erase a stick, a card or a disk, write an image to it, and read it back')
    .argument('<image>', 'image name (built if it is not there), disk.img, disk.img.zst, or an ISO')
    .argument('<device>', 'the whole disk: /dev/sdb, /dev/disk/by-id/…')
    .option('--serial <number>', 'its serial number; required for built-in disks')
    .option('--yes', 'do not ask')
    .option('--file', 'the device may be a regular file or a loop device')
    .option('--json', 'one JSON document on stdout')
    .action(async (image: string, device: string, flags: object) => {
      const { flash } = await import('./flash.ts');
      await flash(image, device, flags);
    });
}

function registerSdk(sdk: Command): void {
  sdk
    .command('run')
    .description('run a tool of the SDK: sdk run -- mkfs.erofs --help')
    .argument('[tool]')
    .argument('[arg...]')
    .passThroughOptions()
    .action(async (tool: string | undefined, args: string[]) => {
      const { sdkRun } = await import('./sdk.ts');
      process.exitCode = await sdkRun(tool, args);
    });
  sdk
    .command('shell')
    .description('a shell in the compiler’s tree, with this folder at /build')
    .action(async () => {
      const { sdkShell } = await import('./sdk.ts');
      process.exitCode = await sdkShell();
    });
}

function positive(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('must be a number from 1 on.');
  return Number(text);
}

function age(text: string): number {
  const ms = parseAge(text);
  if (ms === undefined) throw new InvalidArgumentError('must be a number and a unit: 90m, 12h, 30d, 4w.');
  return ms;
}

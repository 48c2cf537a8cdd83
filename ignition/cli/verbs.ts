import type { Command } from 'commander';
import { badInput, Failure } from '../../sdk/lib/errors.ts';
import { collect } from '../../sdk/lib/options.ts';
import { writeOutput } from '../../sdk/lib/output.ts';
import type { Entry } from '../base/report.ts';

const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;

/** `config.bu:3:5: error: path not absolute ($.storage.files.0.path)` */
export function entryLine(file: string, { kind, path, line, column, message }: Entry): string {
  const place = line > 0 ? `${file}:${line}:${column}` : file;
  return `${place}: ${kind}: ${message}${path === '$' ? '' : ` (${path})`}`;
}

function summary(entries: readonly Entry[]): string {
  const errors = entries.filter(({ kind }) => kind === 'error').length;
  const warnings = plural(entries.length - errors, 'warning');
  return errors > 0 ? `${plural(errors, 'error')}, ${warnings}` : warnings;
}

function printEntries(file: string, entries: readonly Entry[]): void {
  for (const entry of entries) process.stderr.write(`${entryLine(file, entry)}\n`);
}

async function validateCommand(
  file: string,
  { json, strict, image, ...options }: { json?: boolean; strict?: boolean; image: string } & FilesDir,
): Promise<void> {
  const { validateFile } = await import('../load.ts');
  const { valid: taken, entries: found, read } = await validateFile(file, options);
  const strictly = strict && read ? await (await import('../strict.ts')).checkStrictly(read(), image) : [];
  const entries = [...found, ...strictly];
  const valid = taken && strictly.every(({ kind }) => kind === 'warning');
  if (json) process.stdout.write(`${JSON.stringify({ valid, entries }, null, 2)}\n`);
  else {
    const lines = entries.map((entry) => `${entryLine(file, entry)}\n`);
    process.stdout.write(`${lines.join('')}${file}: ${valid ? 'valid' : 'invalid'}, ${summary(entries)}\n`);
  }
  if (!valid) process.exitCode = 1;
}

/** Writes a config, or the reason why there is none. On failure nothing is written. */
async function deliver(
  file: string,
  { config, entries, secret }: { config?: unknown; entries: readonly Entry[]; secret: boolean },
  output: string | undefined,
): Promise<void> {
  printEntries(file, entries);
  if (config === undefined) throw new Failure(`no config made: ${summary(entries)}`, { where: file });
  const text = `${JSON.stringify(config, null, 2)}\n`;
  if (output === undefined) process.stdout.write(text);
  else await writeOutput(output, text, { secret });
}

interface FilesDir {
  readonly filesDir?: string;
}

async function compileCommand(
  file: string,
  { output, ...options }: { output?: string } & FilesDir,
): Promise<void> {
  const { compileConfig } = await import('../load.ts');
  await deliver(file, await compileConfig(file, options), output);
}

async function embedCommand(
  image: string,
  file: string | undefined,
  { output = image, remove }: { output?: string; remove?: boolean },
): Promise<void> {
  if ((file === undefined) === (remove !== true)) {
    throw badInput(remove ? 'a config and --remove exclude each other' : 'no config is named', {
      where: file ?? image,
      hint: './draisine iso embed ISO my.ign, or ./draisine iso embed ISO --remove',
    });
  }
  const [{ configText }, { embedConfig }] = await Promise.all([import('../load.ts'), import('../embed.ts')]);
  let text: string | undefined = '';
  let secret = false;
  if (file !== undefined) {
    const read = await configText(file);
    printEntries(file, read.entries);
    ({ text, secret } = { text: undefined, ...read });
    if (text === undefined) throw new Failure(`nothing embedded: ${summary(read.entries)}`, { where: file });
  }
  await embedConfig({ image, output, config: text, from: file ?? image, secret });
}

function parseFilesystems(given: readonly string[]): Map<string, string> {
  return new Map(
    given.map((text) => {
      const equals = text.indexOf('=');
      const path = text.slice(equals + 1);
      if (equals < 1 || !path.startsWith('/')) {
        throw badInput('--filesystem wants NAME=/PATH', {
          where: text,
          hint: 'for instance --filesystem data=/var/data',
        });
      }
      return [text.slice(0, equals), path];
    }),
  );
}

async function translateCommand(
  file: string,
  { output, filesystem }: { output?: string; filesystem: string[] },
): Promise<void> {
  const filesystems = parseFilesystems(filesystem);
  const [{ readConfig }, { translateConfig }] = await Promise.all([
    import('../load.ts'),
    import('../translate.ts'),
  ]);
  const bytes = readConfig(file);
  if (typeof bytes === 'number') throw badInput(`config of ${bytes} bytes is too large`, { where: file });
  await deliver(file, { ...(await translateConfig(bytes, { filesystems })), secret: false }, output);
}

async function importCommand(file: string, { output }: { output?: string }): Promise<void> {
  const [{ readConfig }, { importCompose }] = await Promise.all([
    import('../load.ts'),
    import('../compose/import.ts'),
  ]);
  const bytes = readConfig(file);
  if (typeof bytes === 'number')
    throw badInput(`compose file of ${bytes} bytes is too large`, { where: file });
  const { text, entries } = importCompose(bytes.toString('utf8'), file, output);
  printEntries(file, entries);
  if (text === undefined) throw new Failure(`no machine made: ${summary(entries)}`, { where: file });
  if (output === undefined) process.stdout.write(text);
  else await writeOutput(output, text);
}

async function typesCommand({ source, output }: { source: string; output?: string }): Promise<void> {
  const { writeSpec } = await import('../generate.ts');
  await writeSpec(source, output);
}

const FILES_DIR = 'folder of the local files of Butane (default: the folder of the config)';

/** Registers `ignition validate | compile | translate | import | types` and `iso embed`. */
export function register(program: Command): void {
  const ignition = program.command('ignition').description('checks, compiles and translates machine configs');
  ignition
    .command('validate')
    .argument('<file>', 'JSON, Butane (.bu, .yaml) or TypeScript (.ts); - is standard input')
    .option('--json', 'one JSON document on stdout')
    .option('--files-dir <folder>', FILES_DIR)
    .option('--strict', 'also checks that Ignition does not make: a fault that stops the boot is an error')
    .option('--image <name>', 'with --strict: the image of the machine', 'n100')
    .description('checks a config with the shipped Ignition: exit code 0 valid, 1 invalid')
    .action(validateCommand);
  ignition
    .command('compile')
    .argument('<file>', 'TypeScript (.ts) or Butane (.bu, .yaml); - is standard input, in Butane')
    .option('-d, --files-dir <folder>', FILES_DIR)
    .option('-o, --output <file>', 'where to write the JSON (default: stdout)')
    .description('compiles TypeScript or Butane to the JSON that Ignition accepts')
    .action(compileCommand);
  ignition
    .command('translate')
    .argument('<file>', 'JSON of spec 2.0 to 2.4, or 3.4 to 3.6; - is standard input')
    .option('-o, --output <file>', 'where to write the JSON (default: stdout)')
    .option(
      '--filesystem <name=path>',
      'spec 2: the mount point of a named filesystem; repeatable',
      collect,
      [],
    )
    .description('translates older and newer specs to spec 3.3')
    .action(translateCommand);
  ignition
    .command('import')
    .argument('<file>', 'compose.yaml')
    .option('-o, --output <file>', 'where to write the TypeScript (default: stdout)')
    .description('makes a machine config in TypeScript of the services of a compose file')
    .action(importCommand);
  ignition
    .command('types')
    .requiredOption('--source <folder>', 'unpacked source package ignition')
    .option('-o, --output <file>', 'where to write the module (default: over the committed one)')
    .description('generates ignition/spec/generated.ts from the schemas of the source package')
    .action(typesCommand);
  const iso = program.command('iso').description('machine configs in ISO images');
  iso
    .command('embed')
    .argument('<iso>', 'ISO image that draisine build has made: a file')
    .argument('[config]', 'JSON, Butane (.bu, .yaml) or TypeScript (.ts); - is standard input')
    .option('-o, --output <file>', 'where to write the image (default: over it)')
    .option('--remove', 'remove the config from the image')
    .description('puts a machine config into an ISO image; replaces the one that it has')
    .action(embedCommand);
}

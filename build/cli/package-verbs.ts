import { type Command, Option } from 'commander';
import { badInput } from '../../sdk/lib/errors.ts';
import { collect } from '../../sdk/lib/options.ts';
import type { PackageSet } from '../debian/set.ts';
import { checkLock, diffLock, printResolve, updateCommand } from './lock.ts';
import { printWhy, printWhyPath } from './why.ts';

interface LockOptions {
  readonly update?: true | string[];
  readonly diff?: boolean;
  readonly securityOnly?: boolean;
  readonly images?: boolean;
  readonly tools?: boolean;
  readonly mirror?: string[];
  readonly json?: boolean;
}

/**
 * The sets that --images or --tools keeps unchanged; undefined: all sets are updated. Throws badInput if the options
 * contradict each other.
 */
export function keptSets(
  { update, diff = false, securityOnly = false, images = false, tools = false }: LockOptions,
  sets: readonly PackageSet[],
  toolSets: readonly string[],
): string[] | undefined {
  if (!images && !tools) return undefined;
  const part = images ? '--images' : '--tools';
  const refuse = (why: string): never => {
    throw badInput(`${part} ${why}`, { hint: `./draisine lock --update ${part}, or --diff ${part}` });
  };
  if (images && tools) refuse('and --tools exclude each other; without them everything is updated');
  if (update === undefined && !diff) refuse('needs --update or --diff');
  if (securityOnly || Array.isArray(update)) refuse('takes neither names of packages nor --security-only');
  return sets.map(({ name }) => name).filter((name) => toolSets.includes(name) === images);
}

/**
 * Registers `lock`, `resolve` and `why`. `sets`: every set that the lock pins; `toolSets`: sets that are not part of
 * images.
 */
export function register(program: Command, sets: readonly PackageSet[], toolSets: readonly string[]): void {
  program
    .command('lock')
    .description('check packages/lock.json against the package sets; --update resolves them again')
    .option(
      '--update [package...]',
      'resolve against the newest indexes and write the lock; with names, update only these packages and add new ones',
    )
    .addOption(
      new Option(
        '--check',
        'fail if the lock is stale or unsatisfied; needs no network (the default)',
      ).conflicts(['update', 'diff']),
    )
    .option('--security-only', 'with --update or --diff: update only to versions of the security archive')
    .option('--images', 'with --update or --diff: only packages of images; the kernel is not compiled again')
    .option('--tools', 'with --update or --diff: only the tools of builds and the source of the kernel')
    .option('--diff', 'show the changes that --update would make, or makes')
    .option(
      '--mirror <url>',
      'a Debian mirror, repeatable; default: DRAISINE_MIRROR, else the mirror of the host’s APT',
      collect,
    )
    .option('--json', 'one JSON document on stdout')
    .action(async (options: LockOptions) => {
      const { update, diff = false, securityOnly = false, mirror = [], json = false } = options;
      const keep = keptSets(options, sets, toolSets);
      const only = Array.isArray(update) ? update : undefined;
      if (securityOnly && (only || (update === undefined && !diff)))
        throw badInput(
          `--security-only ${only ? 'takes no names of packages' : 'needs --update or --diff'}`,
          {
            hint: './draisine lock --update --security-only, or --diff --security-only',
          },
        );
      const request = { sets, only, securityOnly, keep, mirrors: mirror, json, diff };
      if (update !== undefined) await updateCommand(request);
      else if (diff) await diffLock(request);
      else await checkLock({ sets, json });
    });

  program
    .command('resolve')
    .description('show these packages, and all that they need')
    .argument('<package...>', 'binary packages: NAME or NAME/SUITE')
    .option('--mirror <url>', 'a Debian mirror, repeatable', collect)
    .option('--json', 'one JSON document on stdout')
    .action(async (names: string[], { mirror = [], json = false }: LockOptions) => {
      await printResolve(names, { mirrors: mirror, json });
    });

  program
    .command('why')
    .description('show why a package or a file is in an image')
    .argument('<image>', 'an image, or a package set')
    .argument('<what>', 'a package, or the absolute path of a file')
    .option('--json', 'one JSON document on stdout')
    .action(async (image: string, what: string, { json = false }: LockOptions) => {
      if (what.startsWith('/')) await printWhyPath(image, what, { sets, json });
      else await printWhy(image, what, { sets, json });
    });
}

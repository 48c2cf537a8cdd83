import { type Command, Option } from 'commander';
import { badInput } from '../../sdk/lib/errors.ts';
import type { PackageSet } from '../debian/set.ts';
import { checkLock, diffLock, printResolve, updateCommand } from './lock.ts';
import { printWhy, printWhyPath } from './why.ts';

interface LockOptions {
  readonly update?: true | string[];
  readonly diff?: boolean;
  readonly securityOnly?: boolean;
  readonly mirror?: string[];
  readonly json?: boolean;
}

const collect = (value: string, previous: string[] = []) => [...previous, value];

/** Registers `lock`, `resolve` and `why`. `sets`: every set that the lock pins. */
export function register(program: Command, sets: readonly PackageSet[]): void {
  program
    .command('lock')
    .description('check packages/lock.json against the package sets; --update resolves them anew')
    .option(
      '--update [package...]',
      'resolve against the newest indexes and write the lock; if any are named, only they move, and what is new comes in',
    )
    .addOption(
      new Option(
        '--check',
        'fail if the lock is stale or unsatisfied; needs no network (the default)',
      ).conflicts(['update', 'diff']),
    )
    .option('--security-only', 'with --update or --diff: only move to versions of the security archive')
    .option('--diff', 'show what --update would change, or changes')
    .option(
      '--mirror <url>',
      'a Debian mirror, repeatable; else DRAISINE_MIRROR, else the one of the host’s APT',
      collect,
    )
    .option('--json', 'one JSON document on stdout')
    .action(
      async ({ update, diff = false, securityOnly = false, mirror = [], json = false }: LockOptions) => {
        const only = Array.isArray(update) ? update : undefined;
        if (securityOnly && (only || (update === undefined && !diff)))
          throw badInput(
            `--security-only ${only ? 'takes no names of packages' : 'changes nothing by itself'}`,
            {
              hint: './draisine lock --update --security-only, or --diff --security-only',
            },
          );
        const request = { sets, only, securityOnly, mirrors: mirror, json, diff };
        if (update !== undefined) await updateCommand(request);
        else if (diff) await diffLock(request);
        else await checkLock({ sets, json });
      },
    );

  program
    .command('resolve')
    .description('what these packages would bring in')
    .argument('<package...>', 'binary packages: NAME or NAME/SUITE')
    .option('--mirror <url>', 'a Debian mirror, repeatable', collect)
    .option('--json', 'one JSON document on stdout')
    .action(async (names: string[], { mirror = [], json = false }: LockOptions) => {
      await printResolve(names, { mirrors: mirror, json });
    });

  program
    .command('why')
    .description('why a package or a file is in an image')
    .argument('<image>', 'an image, or a package set')
    .argument('<what>', 'a package, or the absolute path of a file')
    .option('--json', 'one JSON document on stdout')
    .action(async (image: string, what: string, { json = false }: LockOptions) => {
      if (what.startsWith('/')) await printWhyPath(image, what, { sets, json });
      else await printWhy(image, what, { sets, json });
    });
}

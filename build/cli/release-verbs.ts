import type { Command } from 'commander';

export const collect = (value: string, previous: string[] = []): string[] => [...previous, value];

/** Registers `keys`. Each verb loads its own module when it runs. */
export function register(program: Command): void {
  registerKeys(program);
}

function registerKeys(program: Command): void {
  const keys = program
    .command('keys')
    .description('the keys that sign kernel modules, releases and channels');
  keys
    .command('init')
    .description('make those that are not there yet; once, outside of the checkout (DRAISINE_KEYS)')
    .option('--root <k/n>', 'how many of how many root keys must sign a new root', '2/3')
    .option('--release <k/n>', 'how many of how many release keys must sign a release', '1/1')
    .option(
      '--use <role=file.pub>',
      'a key of an agent or of hardware instead of a new file, repeatable',
      collect,
    )
    .option('--json', 'one JSON document on stdout')
    .action(async (flags: { root: string; release: string }) => {
      const { keysInit } = await import('./keys.ts');
      await keysInit(flags);
    });
  keys
    .command('show')
    .description('where they are, the module key’s certificate, and who signs what')
    .option('--json', 'one JSON document on stdout')
    .action(async (flags: object) => {
      const { keysShow } = await import('./keys.ts');
      await keysShow(flags);
    });
  keys
    .command('rotate')
    .description(
      'replace the keys of a role with new ones: the next root.json, signed by the old and the new root keys',
    )
    .argument('<role>', 'root, release or channel')
    .option('--only <key>', 'only this one (its name or fingerprint), repeatable: one that was lost', collect)
    .option('--keep', 'replace none, only give the root a new date')
    .option('--use <file.pub>', 'a key of an agent or of hardware instead of a new file, repeatable', collect)
    .option('--json', 'one JSON document on stdout')
    .action(async (role: string, flags: object) => {
      const { keysRotate } = await import('./keys.ts');
      await keysRotate(role, flags);
    });
  keys
    .command('sign')
    .description('sign the root that waits for signatures (root-next.json) with the root keys that are here')
    .option('--json', 'one JSON document on stdout')
    .action(async (flags: object) => {
      const { keysSign } = await import('./keys.ts');
      await keysSign(flags);
    });
}

import type { Command } from 'commander';

export const collect = (value: string, previous: string[] = []): string[] => [...previous, value];

/** Registers `keys` and `release`. Each verb loads its own module when it runs. */
export function register(program: Command): void {
  registerKeys(program);
  registerRelease(program);
}

const JSON_OPTION = ['--json', 'one JSON document on stdout'] as const;

function registerRelease(program: Command): void {
  const release = program
    .command('release')
    .description('versions of an image: build, sign, verify, compare');
  release
    .command('build')
    .description('build images as releases, into out/release/IMAGE/VERSION/, unsigned')
    .argument('<image...>', 'names of images')
    .option('--version <version>', 'YYYY.MDD.N; default: the day of the lock’s newest index, .0')
    .option('--severity <grade>', 'of what it repairs: none, low, moderate, important, critical', 'none')
    .option('--needs <version>', 'the lowest version that may update to it')
    .option('--notes <url>', 'where its notes are')
    .option(...JSON_OPTION)
    .action(async (images: string[], flags: object) => {
      const { releaseBuild } = await import('./release.ts');
      await releaseBuild(images, flags);
    });
  release
    .command('sign')
    .description('add signatures to a release, after a look at every file of it')
    .argument('<dir>', 'its folder')
    .option('--key <file>', 'sign with this one (private, or the .pub of an agent’s), repeatable', collect)
    .option('--root <file>', 'root.json; default: the one beside the own keys')
    .option(...JSON_OPTION)
    .action(async (folder: string, flags: object) => {
      const { releaseSign } = await import('./release.ts');
      await releaseSign(folder, flags);
    });
  release
    .command('verify')
    .description('check the signatures and every file of a release')
    .argument('<where>', 'its folder, or the URL of that')
    .option('--root <file>', 'root.json; default: the one beside the own keys')
    .option('--rebuild', 'build it again from the lock, and compare bytes')
    .option(...JSON_OPTION)
    .action(async (where: string, flags: object) => {
      const { releaseVerify } = await import('./release.ts');
      await releaseVerify(where, flags);
    });
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
    .option(...JSON_OPTION)
    .action(async (flags: { root: string; release: string }) => {
      const { keysInit } = await import('./keys.ts');
      await keysInit(flags);
    });
  keys
    .command('show')
    .description('where they are, the module key’s certificate, and who signs what')
    .option(...JSON_OPTION)
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
    .option(...JSON_OPTION)
    .action(async (role: string, flags: object) => {
      const { keysRotate } = await import('./keys.ts');
      await keysRotate(role, flags);
    });
  keys
    .command('sign')
    .description('sign the root that waits for signatures (root-next.json) with the root keys that are here')
    .option(...JSON_OPTION)
    .action(async (flags: object) => {
      const { keysSign } = await import('./keys.ts');
      await keysSign(flags);
    });
}

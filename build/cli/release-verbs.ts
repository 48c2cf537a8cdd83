import { type Command, InvalidArgumentError } from 'commander';
import { collect } from '../../sdk/lib/options.ts';

/** Registers `keys`, `release`, `channel` and `mirror`. Each verb loads its own module when it runs. */
export function register(program: Command): void {
  registerKeys(program);
  registerRelease(program);
  registerChannel(program);
  program
    .command('mirror')
    .description('keep every package and source that the lock pins in a folder, to build from later')
    .argument('<dir>', 'the folder; DRAISINE_MIRROR=file:DIR builds from it, and any web server can serve it')
    .option(...JSON_OPTION)
    .action(async (folder: string, flags: object) => {
      const { mirror } = await import('./mirror.ts');
      await mirror(folder, flags);
    });
}

const JSON_OPTION = ['--json', 'one JSON document on stdout'] as const;

function registerRelease(program: Command): void {
  const release = program
    .command('release')
    .description('versions of an image: build, sign, verify, compare');
  release
    .command('build')
    .description('build images as unsigned releases, into out/release/IMAGE/VERSION/')
    .argument('<image...>', 'names of images')
    .option('--version <version>', 'YYYY.MDD.N; default: the day of the lock’s newest index, .0')
    .option(
      '--severity <grade>',
      'severity of the repaired faults: none, low, moderate, important, critical',
      'none',
    )
    .option('--needs <version>', 'the lowest version that may update to it')
    .option('--notes <url>', 'URL of its release notes')
    .option(...JSON_OPTION)
    .action(async (images: string[], flags: object) => {
      const { releaseBuild } = await import('./release.ts');
      await releaseBuild(images, flags);
    });
  release
    .command('sign')
    .description(
      'check every file of a release, then add signatures; after a rotation also to its test report',
    )
    .argument('<dir>', 'its folder')
    .option('--key <file>', 'sign with this one (private, or the .pub of an agent’s), repeatable', collect)
    .option('--root <file>', 'root.json; default: the one beside your keys')
    .option(...JSON_OPTION)
    .action(async (folder: string, flags: object) => {
      const { releaseSign } = await import('./release.ts');
      await releaseSign(folder, flags);
    });
  release
    .command('report')
    .description('sign the test results of a release into its folder report/; promote needs them')
    .argument('<dir>', 'its folder')
    .argument('<results...>', 'results.json of ./draisine test --all; with shards, of every shard')
    .option('--key <file>', 'sign with this one (private, or the .pub of an agent’s)', collect)
    .option('--root <file>', 'root.json; default: the one beside your keys')
    .option(...JSON_OPTION)
    .action(async (folder: string, results: string[], flags: object) => {
      const { releaseReport } = await import('./release.ts');
      await releaseReport(folder, results, flags);
    });
  release
    .command('diff')
    .description(
      'release notes as Markdown: packages with their changelogs, CVE numbers, rights, units, sizes',
    )
    .argument('<a>', 'the older release: its folder, or the URL of that')
    .argument('<b>', 'the newer one')
    .option('-o, --output <file>', 'write them to a file (default: stdout)')
    .option(...JSON_OPTION)
    .action(async (a: string, b: string, flags: object) => {
      const { releaseDiff } = await import('./release-diff.ts');
      await releaseDiff(a, b, flags);
    });
  release
    .command('verify')
    .description('check the signatures and every file of a release')
    .argument('<where>', 'its folder, or the URL of that')
    .option('--root <file>', 'root.json; default: the one beside your keys')
    .option('--rebuild', 'build it again from the lock, and compare all bytes')
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
    .description('make the missing keys; once, in a folder outside of the checkout (DRAISINE_KEYS)')
    .option('--root <k/n>', 'K of N root keys must sign a new root', '2/3')
    .option('--release <k/n>', 'K of N release keys must sign a release', '1/1')
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
    .description('show their folder, the certificate of the module key, and the keys of each role')
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
    .option('--only <key>', 'only this one, e.g. a lost key (its name or fingerprint), repeatable', collect)
    .option('--keep', 'replace no key; only give the root a new date')
    .option('--use <file.pub>', 'a key of an agent or of hardware instead of a new file, repeatable', collect)
    .option(...JSON_OPTION)
    .action(async (role: string, flags: object) => {
      const { keysRotate } = await import('./keys.ts');
      await keysRotate(role, flags);
    });
  keys
    .command('sign')
    .description('sign the unfinished root (root-next.json) with the root keys on this machine')
    .option(...JSON_OPTION)
    .action(async (flags: object) => {
      const { keysSign } = await import('./keys.ts');
      await keysSign(flags);
    });
}

const IMAGE_OPTION = ['--image <name>', 'the image; default: the only one there'] as const;
const HOURS_OPTION = ['--hours <n>', 'duration of the rollout; default: the channel’s policy'] as const;
const BEGINS_OPTION = [
  '--begins <time>',
  'begin of the rollout, e.g. 2026-11-29T12:00:00Z; default: in four hours, when every box has heard of it',
] as const;
const FORCE_OPTION = [
  '--force <reason>',
  'overrule the rules; the reason is written into the channel file',
] as const;

function number(text: string, most = Number.MAX_SAFE_INTEGER): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= most))
    throw new InvalidArgumentError(
      `must be a number from 0 ${most === Number.MAX_SAFE_INTEGER ? 'on' : `to ${most}`}.`,
    );
  return value;
}

function share(text: string): number {
  return number(text, 1);
}

function whole(text: string, most?: number): number {
  const value = number(text, most);
  if (!Number.isInteger(value)) throw new InvalidArgumentError('must be a whole number.');
  return value;
}

/** Hours of a rollout. Boxes accept whole ones, up to a year. */
function hours(text: string): number {
  return whole(text, 8760);
}

function registerChannel(program: Command): void {
  const channel = program
    .command('channel')
    .description('the signed channel files of a folder that any web server can serve');
  const verb = (name: string, description: string) =>
    channel
      .command(name)
      .description(description)
      .argument('<base>', 'the folder')
      .option(...JSON_OPTION);
  verb('init', 'make the folder, root.json, and the channels alpha, beta, stable and lts of an image')
    .argument('<image>')
    .option('--channel <name>', 'only this one, repeatable; changes the policy of an existing one', collect)
    .option('--from <channel>', 'policy: the channel that releases come from')
    .option('--min-hours <n>', 'policy: hours that a release must have been there', (text) => number(text))
    .option('--max-failed <share>', 'policy: share of the boxes that may reject a release, 0 to 1', share)
    .option('--rollout <n>', 'policy: hours that a rollout takes', hours)
    .option('--security', 'policy: security fixes only')
    .action(async (base: string, image: string, flags: object) => {
      const { channelInit } = await import('./channel.ts');
      await channelInit(base, image, flags);
    });
  verb('show', 'check the signatures of the channels of a folder or a URL, and show them')
    .option(...IMAGE_OPTION)
    .option('--channel <name>', 'only this one, repeatable', collect)
    .option('--root <file>', 'root.json; default: the one beside your keys')
    .action(async (base: string, flags: object) => {
      const { channelShow } = await import('./channel.ts');
      await channelShow(base, flags);
    });
  verb('set', 'publish a signed release and put it on the lowest channel')
    .argument('<channel>')
    .argument('<release>', 'its folder, or a version that is published')
    .option(...IMAGE_OPTION)
    .option(HOURS_OPTION[0], HOURS_OPTION[1], hours)
    .option(...BEGINS_OPTION)
    .option('--barrier', 'boxes must run this release before they take a later one')
    .option(...FORCE_OPTION)
    .action(async (base: string, name: string, release: string, flags: object) => {
      const { channelSet } = await import('./channel.ts');
      await channelSet(base, name, release, flags);
    });
  verb(
    'promote',
    'put the release of one channel on the next; needs a green test report and the waiting time',
  )
    .argument('<from>')
    .argument('<to>')
    .option(...IMAGE_OPTION)
    .option(HOURS_OPTION[0], HOURS_OPTION[1], hours)
    .option(...BEGINS_OPTION)
    .option('--barrier', 'boxes must run this release before they take a later one')
    .option(...FORCE_OPTION)
    .action(async (base: string, from: string, to: string, flags: object) => {
      const { channelPromote } = await import('./channel.ts');
      await channelPromote(base, from, to, flags);
    });
  registerStops(verb);
  registerPrune(verb);
}

function registerPrune(verb: (name: string, description: string) => Command): void {
  verb('prune', 'remove releases that no channel names, except for the newest ones')
    .option(...IMAGE_OPTION)
    .option('--keep <n>', 'number of the newest releases that stay', (text) => whole(text), 10)
    .action(async (base: string, flags: { keep: number }) => {
      const { channelPrune } = await import('./channel.ts');
      await channelPrune(base, flags);
    });
}

function registerStops(verb: (name: string, description: string) => Command): void {
  verb('halt', 'keep further boxes from starting the update')
    .argument('<channel>')
    .argument('<reason>', 'reason, for the owners of boxes')
    .option(...IMAGE_OPTION)
    .action(async (base: string, name: string, reason: string, flags: object) => {
      const { channelHalt } = await import('./channel.ts');
      await channelHalt(base, name, reason, flags);
    });
  verb('resume', 'end a halt')
    .argument('<channel>')
    .option(...IMAGE_OPTION)
    .action(async (base: string, name: string, flags: object) => {
      const { channelResume } = await import('./channel.ts');
      await channelResume(base, name, flags);
    });
  verb('withdraw', 'keep boxes from installing a release, in any channel; boxes that run it keep it')
    .argument('<version>')
    .argument('<reason>', 'reason, for the owners of boxes')
    .option(...IMAGE_OPTION)
    .action(async (base: string, version: string, reason: string, flags: object) => {
      const { channelWithdraw } = await import('./channel.ts');
      await channelWithdraw(base, version, reason, flags);
    });
  verb('refresh', 'renew channel files with less than half of their time left; publish a new root.json')
    .option(...IMAGE_OPTION)
    .option('--always', 'renew all channel files')
    .action(async (base: string, flags: object) => {
      const { channelRefresh } = await import('./channel.ts');
      await channelRefresh(base, flags);
    });
}

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CHANNELS } from '../../../build/release/channel/rules.ts';
import { parseFormat } from '../../../build/release/format/read.ts';
import type { Channel, Policy } from '../../../build/release/format/types.ts';
import { compareVersions, isVersion } from '../../../build/release/format/version.ts';
import { placeOf, readText } from '../../../build/release/place.ts';
import { badInput } from '../../../sdk/lib/errors.ts';
import { log } from '../../../sdk/lib/log.ts';
import { writeOutput } from '../../../sdk/lib/output.ts';
import { EVERY } from '../cli/timer.ts';
import type { Report } from './measures.ts';
import { svgPlot, terminalPlot } from './plot.ts';
import { Simulation, type SimulationOptions } from './simulate.ts';

/** The options of `channel simulate`. */
export interface SimulateFlags {
  readonly boxes: number;
  readonly days: number;
  readonly seed: number;
  readonly image?: string;
  readonly badIn: string;
  readonly badShare: number;
  readonly packages: number;
  readonly kernel: number;
  readonly svg?: string;
  readonly json?: boolean;
}

/**
 * The inputs of a simulation from a folder of channels: its policies, and the sizes of its newest release and
 * of its files.
 */
export interface Published {
  readonly policies: Readonly<Record<string, Policy>>;
  /** Bytes of usr.img and uki.efi together. */
  readonly size: number | undefined;
  /** Bytes of root.json and of a channel file. */
  readonly check: number;
}

/** Reads a folder of channels. Signatures are not checked, because only numbers are used. */
async function readPublished(base: string, named: string | undefined): Promise<Published> {
  if (!existsSync(base))
    throw badInput('there is no such folder', {
      where: base,
      hint: 'make one: ./draisine channel init BASE IMAGE',
    });
  const place = placeOf(base);
  const images = readdirSync(base, { withFileTypes: true }).filter((each) => each.isDirectory());
  const image = named ?? (images.length === 1 ? images[0]?.name : undefined);
  if (image === undefined || !existsSync(join(base, image)))
    throw badInput('it does not have exactly one image', { where: base, hint: 'name one: --image NAME' });
  const hint = 'make it: ./draisine channel init BASE IMAGE';
  const root = await readText(place, 'root.json', hint);
  const policies: Record<string, Policy> = {};
  let longest = 0;
  for (const file of readdirSync(join(base, image))) {
    if (!file.endsWith('.json')) continue;
    const text = await readText(place, `${image}/${file}`, hint);
    longest = Math.max(longest, text.length);
    const channel: Channel = await inside('channel', text, join(base, image, file));
    policies[channel.channel] = channel.policy ?? {};
  }
  const folder = join(base, image, 'releases');
  const newest = existsSync(folder)
    ? readdirSync(folder).filter(isVersion).sort(compareVersions).at(-1)
    : undefined;
  const release =
    newest === undefined
      ? undefined
      : await inside(
          'release',
          await readText(place, `${image}/releases/${newest}/release.json`, hint),
          folder,
        );
  const size =
    release && ['usr.img', 'uki.efi'].reduce((sum, name) => sum + (release.files[name]?.size ?? 0), 0);
  return { policies, size, check: root.length + longest };
}

async function inside<N extends 'channel' | 'release'>(name: N, text: string, where: string) {
  const { signed } = await parseFormat('envelope', text, where);
  return await parseFormat(name, signed, where);
}

/** Sizes of n100, for a folder without a release. */
const SIZE = 109_600_000;

/** `channel simulate BASE` */
export async function channelSimulate(base: string, flags: SimulateFlags): Promise<void> {
  const { policies, size = SIZE, check } = await readPublished(base, flags.image);
  const { boxes, days, seed, badIn, badShare, packages, kernel } = flags;
  const options: SimulationOptions = {
    ...{ boxes, days, seed, size, policies },
    delta: { packages, kernel },
    fragile: fragileFrom(badIn, badShare),
    begins: Date.parse('2026-01-05T00:00:00Z'),
  };
  const began = performance.now();
  const report = new Simulation(options).run();
  const seconds = (performance.now() - began) / 1000;
  const checks = { perSecond: boxes / (EVERY / 1000), bytesPerSecond: (boxes * check) / (EVERY / 1000) };
  if (flags.svg !== undefined) await writeOutput(flags.svg, svgPlot(report));
  if (flags.json) {
    const running = report.running.map((counts) => Object.fromEntries(counts));
    process.stdout.write(`${JSON.stringify({ ...report, running, checks }, null, 2)}\n`);
  } else process.stdout.write(`${describe(report, checks)}\n${terminalPlot(report)}`);
  log(`${boxes} boxes × ${days} days in ${seconds.toFixed(1)} s`);
}

/**
 * The bad release works on all boxes of the channels before `first`, so those channels do not find the fault.
 */
function fragileFrom(first: string, share: number): Readonly<Record<string, number>> {
  if (!CHANNELS.includes(first))
    throw badInput(`there is no channel ${first}`, { hint: `there are: ${CHANNELS.join(', ')}` });
  return Object.fromEntries(CHANNELS.map((name, at) => [name, at >= CHANNELS.indexOf(first) ? share : 0]));
}

const mb = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB/s`;
const hours = (value: number) => (value < 72 ? `${value.toFixed(1)} h` : `${(value / 24).toFixed(1)} days`);
const percent = (share: number) => `${(share * 100).toFixed(2)} %`;

function describe(
  report: Report,
  checks: { readonly perSecond: number; readonly bytesPerSecond: number },
): string {
  const { bad, behind, behindOn, peak, rollout } = report;
  const lines = [
    ['releases', `${report.releases}, ${(report.bytes / 1e12).toFixed(2)} TB sent in ${report.days} days`],
    [
      'peak',
      `${mb(peak.bytesPerSecond)} in the busiest minute (${new Date(peak.at).toISOString().slice(0, 16)}Z), ${mb(report.peakHour)} over the busiest hour`,
    ],
    ['no rollout', `${mb(report.withoutRollout)} over an hour, if all boxes came in one`],
    ['checks', `${checks.perSecond.toFixed(2)} a second, ${mb(checks.bytesPerSecond)}`],
    [
      'bad release',
      `${bad.version}: tried by ${bad.tried} boxes (${percent(bad.share)}), by ${bad.last.tried} of ${bad.last.boxes} on ${bad.channel} (${percent(bad.last.tried / Math.max(1, bad.last.boxes))}); ${bad.rejected} went back by themselves; ${bad.hours === undefined ? 'never stopped' : `stopped ${hours(bad.hours)} after ${bad.channel} had it`}`,
    ],
    [
      'rollout',
      `at its worst moment ${percent(rollout.mean)} of the boxes off its plan on average, ${percent(rollout.max)} in the worst of ${rollout.releases} releases`,
    ],
    [
      'by chance',
      `random turns of ${rollout.boxes} boxes are off by more than ${percent(rollout.chance.release)} in one release of 20, by more than ${percent(rollout.chance.year)} in one year of 20`,
    ],
    [
      'its turn',
      `a box begins to fetch ${rollout.late.median.toFixed(0)} min after it (median), 95 % ${rollout.late.p95.toFixed(0)} min, longest ${hours(rollout.late.max / 60)}`,
    ],
    [
      'behind',
      `median ${hours(behindOn.median)}, 95 % ${hours(behindOn.p95)}, longest ${hours(behindOn.max)}; with boxes that are switched off ${hours(behind.max)}`,
    ],
  ];
  return lines.map(([name = '', text = '']) => `${name.padEnd(11)} ${text}`).join('\n');
}

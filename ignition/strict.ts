import { Failure } from '../sdk/lib/errors.ts';
import { type Entry, pathText } from './base/report.ts';
import type { Step } from './base/step.ts';
import { innerConfigs } from './check/inner-configs.ts';
import type { JsonObject } from './json/value.ts';
import type { Readable } from './load.ts';
import { checkAccounts, checkGroups, checkUsers } from './strict/accounts.ts';
import { type ConfigFile, member, otherConfigs, readFiles, structs, textOf } from './strict/contents.ts';
import { checkDevices, checkMounts } from './strict/devices.ts';
import type { Finding } from './strict/finding.ts';
import { type ImageView, imageText, namedImage, viewImage } from './strict/image.ts';
import { checkPaths } from './strict/paths.ts';
import { checkPools } from './strict/pools.ts';
import { checkPorts } from './strict/ports.ts';
import { checkRoom } from './strict/room.ts';
import { withStage } from './strict/stage.ts';
import { type ConfigUnit, readUnits } from './strict/units.ts';
import { checkUnits, placePrograms } from './strict/verify.ts';
import { checkVolumes } from './strict/volumes.ts';

interface Program {
  readonly path: string;
  readonly at: readonly Step[];
}

/** Programs that a unit may run: executable files, and links, which may point to one. */
function programs(config: JsonObject, files: readonly ConfigFile[]): readonly Program[] {
  const links = structs(member(config.storage, 'links')).map(
    ({ path }, index): Program => ({ path: textOf(path), at: ['storage', 'links', index, 'path'] }),
  );
  const own = /^\/etc\/(systemd|containers)(\/|$)/;
  return [...files.filter(({ executable }) => executable), ...links].filter(({ path }) => !own.test(path));
}

interface Subject {
  readonly config: JsonObject;
  readonly files: readonly ConfigFile[];
  readonly units: readonly ConfigUnit[];
}

/**
 * A check that could not run is a finding as well: without a mirror or a sandbox the other checks still
 * count.
 */
function unchecked(what: string, error: unknown): Finding {
  if (!(error instanceof Failure)) throw error;
  // If several targets failed, the first reason is reported: mostly it is the reason for all.
  const [first = '', second = ''] = error.message.split('\n');
  const why = /targets failed$/.test(first) ? second.replace(/^error: /, '') : first;
  const hint = error.hint === undefined ? '' : `; ${error.hint}`;
  return { path: [], message: `${what} not checked: ${why}${hint}` };
}

/** Checks units and quadlets with the image's systemd and podman. */
async function shown({ config, files, units }: Subject, image: ImageView): Promise<Finding[]> {
  const findings: Finding[] = [];
  try {
    const said = await withStage(image, findings, async (stage) => {
      placePrograms(stage, programs(config, files));
      return await checkUnits(stage, image, units, files);
    });
    return [...findings, ...said];
  } catch (error) {
    return [...findings, unchecked('units and quadlets were', error)];
  }
}

/** Runs all checks against an image. */
export async function againstImage(subject: Subject, image: ImageView): Promise<Finding[]> {
  const { config, files, units } = subject;
  return [
    ...(await shown(subject, image)),
    ...checkRoom(config, files, image),
    ...checkDevices(config, units, files, image),
    ...checkVolumes(config, image),
    ...checkMounts(units, image),
    ...checkPaths(config, image),
    ...checkPools(files),
    ...checkGroups(config, imageText(image, '/etc/group') ?? ''),
    ...checkUsers(config, imageText(image, '/etc/passwd') ?? ''),
    ...checkPorts(units, files, image),
  ];
}

/** All findings about a config that Ignition found valid. `name` is the name of the image. */
async function strictFindings(config: JsonObject, name: string): Promise<Finding[]> {
  const described = await namedImage(name);
  const findings: Finding[] = [
    ...otherConfigs(config),
    ...(await innerConfigs(config)),
    ...checkAccounts(config),
  ];
  const files = await readFiles(config, findings);
  const units = readUnits(config, files);
  let image: ImageView;
  try {
    image = await viewImage(described);
  } catch (error) {
    const missed = unchecked(`units, quadlets, devices and room on the image ${name} were`, error);
    return [...findings, missed, ...checkPorts(units, files, undefined)];
  }
  return [...findings, ...(await againstImage({ config, files, units }, image))];
}

/**
 * The faults of a valid config on a machine with this image: an error stops the boot, a warning does not.
 * The image's own systemd and podman check units and quadlets.
 */
export async function checkStrictly({ value, origin }: Readable, image: string): Promise<Entry[]> {
  const findings = await strictFindings(value, image);
  const entries = findings.map(({ kind = 'warning', path, message }): Entry => {
    const { path: written, line, column } = origin(path);
    return { kind, path: pathText(written), line, column, message };
  });
  return entries.sort((a, b) => a.line - b.line || a.column - b.column);
}

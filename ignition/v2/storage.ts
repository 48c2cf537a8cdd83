import { cleanPath } from '../base/clean-path.ts';
import { compact, type Json, type JsonObject } from '../json/value.ts';
import type { V2Config, V2Filesystem, V2Partition, V2Unit } from './model.ts';
import { eachAt, problem, type Report } from './report.ts';

const SECTORS_PER_MIB = 2048;

function toMiB(sectors: number | undefined, field: string, report: Report): number | undefined {
  if (sectors === undefined) return undefined;
  if (sectors % SECTORS_PER_MIB === 0) return sectors / SECTORS_PER_MIB;
  report.error(
    problem(`${field} of ${sectors} sectors is not a whole number of MiB`, 'spec 3 counts in MiB: round it'),
    field,
  );
  return undefined;
}

function translatePartition(partition: V2Partition, report: Report): JsonObject {
  const { size, start, sizeMiB, startMiB, number, typeGuid, guid, ...same } = partition;
  return compact({
    ...same,
    number: number === 0 ? undefined : number,
    typeGuid: typeGuid || undefined,
    guid: guid || undefined,
    sizeMiB: sizeMiB ?? toMiB(size, 'size', report),
    startMiB: startMiB ?? toMiB(start, 'start', report),
  });
}

/** The disks of a spec 2 config, in the form of spec 3: sectors become MiB. */
export function translateDisks(disks: NonNullable<V2Config['storage']>['disks'], report: Report): Json[] {
  const out: Json[] = [];
  eachAt(report, 'disks', disks, ({ device, wipeTable, partitions }) => {
    const translated: Json[] = [];
    eachAt(report, 'partitions', partitions, (partition) => {
      translated.push(report.made(translatePartition(partition, report)));
    });
    out.push(report.made(compact({ device, wipeTable, partitions: translated })));
  });
  return out;
}

/** The RAID arrays of a spec 2 config, in the form of spec 3. */
export function translateRaid(arrays: NonNullable<V2Config['storage']>['raid'], report: Report): Json[] {
  const out: Json[] = [];
  eachAt(report, 'raid', arrays, ({ name, level, devices = [], spares, options = [] }) => {
    const array = { name, level, devices: [...devices], spares, options: [...options] };
    out.push(report.made(compact(array)));
  });
  return out;
}

/** The mount points of mount units, by device. */
function mountUnits(units: readonly V2Unit[] = []): Map<string, string> {
  const mounts = new Map<string, string>();
  for (const { name, contents = '' } of units) {
    const what = /^What=(.*)$/m.exec(contents)?.[1]?.trim();
    const where = /^Where=(.*)$/m.exec(contents)?.[1]?.trim();
    if (name.endsWith('.mount') && what && where) mounts.set(what, where);
  }
  return mounts;
}

/** Names that a mount unit may use for the device of a file system. */
function deviceNames({ device, label, uuid }: NonNullable<V2Filesystem['mount']>): string[] {
  return [
    device,
    ...(label ? [`/dev/disk/by-label/${label}`, `LABEL=${label}`] : []),
    ...(uuid ? [`/dev/disk/by-uuid/${uuid}`, `UUID=${uuid}`] : []),
  ];
}

/** The path in the running system for a path in the initramfs, where the root is at /sysroot. */
function fromInitramfs(path: string): string | undefined {
  const clean = cleanPath(path);
  if (clean === '/sysroot' || clean === '/') return '/';
  return clean.startsWith('/sysroot/') ? clean.slice('/sysroot'.length) : undefined;
}

/** The file systems in the form of spec 3, and the paths for their names in spec 2. */
export interface Filesystems {
  readonly list: Json[];
  /** Paths by name; a name without a known path is absent. */
  readonly paths: ReadonlyMap<string, string>;
}

/**
 * File systems have names in spec 2, and paths in spec 3. The path is, in this order: the one in `given`, the
 * one in the initramfs, the one of a mount unit of the same config.
 */
export function translateFilesystems(
  config: V2Config,
  given: ReadonlyMap<string, string>,
  report: Report,
): Filesystems {
  const paths = new Map<string, string>([['root', '/'], ...given]);
  const mounts = mountUnits(config.systemd?.units);
  const list: Json[] = [];
  const seen = new Set<string>();
  eachAt(report, 'filesystems', config.storage?.filesystems, (filesystem) => {
    const { name, mount, path } = filesystem;
    if (seen.has(name) && name !== '')
      report.error(problem(`two filesystems named ${name}`, 'rename one'), 'name');
    seen.add(name);
    const mounted =
      mount &&
      deviceNames(mount)
        .map((device) => mounts.get(device))
        .find((where) => where !== undefined);
    const where = given.get(name) ?? (path === undefined ? mounted : fromInitramfs(path));
    if (where !== undefined) paths.set(name, where);
    if (path !== undefined && where === undefined) {
      report.error(
        problem(
          `${path} is a path of the initramfs and has no equivalent`,
          `say where it is: --filesystem ${name}=/PATH`,
        ),
        'path',
      );
    }
    if (mount !== undefined && path !== undefined) {
      report.error(problem('filesystem has both mount and path', 'keep one of them'));
    } else if (mount !== undefined) list.push(report.made(translateMount(mount, where, report), 'mount'));
  });
  return { list, paths };
}

function translateMount(
  mount: NonNullable<V2Filesystem['mount']>,
  path: string | undefined,
  report: Report,
): JsonObject {
  const { device, format, create, wipeFilesystem, label, uuid, options = [] } = mount;
  if (create !== undefined && create.force !== true) {
    report.error(
      problem(
        'mount.create without force fails if the device is not empty, which spec 3 cannot say',
        'use wipeFilesystem: true to format it always, or drop create to reuse what fits',
      ),
      'mount',
      'create',
    );
  }
  return compact({
    device,
    format,
    path,
    label,
    uuid,
    wipeFilesystem: create?.force ?? wipeFilesystem,
    options: [...options, ...(create?.options ?? [])],
  });
}

import type { Step } from '../base/step.ts';
import type { JsonObject } from '../json/value.ts';
import { type ConfigFile, member, numberOf, structs, textOf } from './contents.ts';
import type { Finding } from './finding.ts';
import { type ImageView, imageText } from './image.ts';
import { settings } from './units.ts';

const MiB = 1 << 20;
/**
 * The share of a partition that is free for contents. The rest is the file system's tables, journal and
 * reserve.
 */
const USABLE = 0.9;
const BLOCK = 4096;

/** A mount point, and the bytes that fit there, if known. */
interface Place {
  readonly path: string;
  readonly bytes: number | undefined;
  readonly what: string;
}

function bytesOf(text: string): number | undefined {
  const [, count, unit = ''] = /^([0-9]+)([KMGT]?)$/.exec(text) ?? [];
  return count === undefined ? undefined : Number(count) * 1024 ** ' KMGT'.indexOf(unit || ' ');
}

/** The size of the state partition in the image (repart.d(5)). */
function statePartition(image: ImageView): Place {
  const size = settings(imageText(image, '/usr/lib/repart.d/40-state.conf') ?? '', 'SizeMaxBytes').at(-1);
  return { path: '/', bytes: bytesOf(size ?? ''), what: 'the state partition' };
}

/** File systems of the config that have a mount point, with their sizes if the partition has one. */
function ownPlaces(config: JsonObject): Place[] {
  const sizes = new Map<string, number>();
  for (const disk of structs(member(config.storage, 'disks'))) {
    for (const partition of structs(disk.partitions)) {
      const size = numberOf(partition.sizeMiB) * MiB;
      const label = textOf(partition.label);
      if (size > 0 && label !== '') sizes.set(`/dev/disk/by-partlabel/${label}`, size);
    }
  }
  return structs(member(config.storage, 'filesystems')).flatMap((filesystem): Place[] => {
    const [path, device] = [textOf(filesystem.path), textOf(filesystem.device)];
    return path === '' ? [] : [{ path, bytes: sizes.get(device), what: `the file system on ${device}` }];
  });
}

const isBelow = (path: string, folder: string): boolean =>
  folder === '/' || path === folder || path.startsWith(`${folder.replace(/\/$/, '')}/`);

function readable(bytes: number): string {
  return bytes >= 1024 * MiB ? `${(bytes / MiB / 1024).toFixed(1)} GiB` : `${(bytes / MiB).toFixed(1)} MiB`;
}

/** Files that are too large for their file system, alone or together. */
function tooLong(files: readonly ConfigFile[], places: readonly Place[]): Finding[] {
  const longestFirst = [...places].sort((a, b) => b.path.length - a.path.length);
  const used = new Map<Place, { bytes: number; last: ConfigFile; count: number }>();
  const findings: Finding[] = [];
  for (const file of files) {
    const place = longestFirst.find(({ path }) => isBelow(file.path, path));
    if (place?.bytes === undefined) continue;
    if (file.size > place.bytes * USABLE) {
      const message = `contents of ${readable(file.size)} do not fit on ${place.what} (${readable(place.bytes)}); shorten them, or put the file elsewhere`;
      findings.push({ path: file.at, message });
      continue;
    }
    const before = used.get(place) ?? { bytes: 0, count: 0 };
    const bytes = before.bytes + Math.ceil(file.size / BLOCK) * BLOCK;
    used.set(place, { bytes, last: file, count: before.count + 1 });
  }
  for (const [place, { bytes, count, last }] of used) {
    if (bytes <= (place.bytes ?? 0) * USABLE) continue;
    const message = `${count} files of ${readable(bytes)} together do not fit on ${place.what} (${readable(place.bytes ?? 0)}); shorten them, or put some elsewhere`;
    findings.push({ path: last.at, message });
  }
  return findings;
}

const READ_ONLY = /^\/(usr|bin|sbin|lib|lib32|lib64)(\/|$)/;

/** Files below /usr. It is verified, so Ignition cannot write there. */
function readOnly(config: JsonObject): Finding[] {
  return ['files', 'directories', 'links'].flatMap((list) =>
    structs(member(config.storage, list)).flatMap((node, index): Finding[] => {
      const path: readonly Step[] = ['storage', list, index, 'path'];
      return READ_ONLY.test(textOf(node.path))
        ? [
            {
              path,
              message: `${textOf(node.path)} is on the read-only /usr; put it below /etc, /opt or /var`,
            },
          ]
        : [];
    }),
  );
}

/** Whether the files of a config fit where they go. */
export function checkRoom(config: JsonObject, files: readonly ConfigFile[], image: ImageView): Finding[] {
  return [...tooLong(files, [...ownPlaces(config), statePartition(image)]), ...readOnly(config)];
}

import { byteLength } from '../json/text.ts';
import { type Problem, problem, type Report } from '../report.ts';
import { checkPath } from './path.ts';

type Integer = number | bigint;

export interface Partition {
  readonly number: Integer;
  readonly label?: string;
  readonly guid?: string;
  readonly typeGuid?: string;
  readonly startMiB?: Integer;
  readonly sizeMiB?: Integer;
  readonly shouldExist?: boolean;
}

export interface Disk {
  readonly device: string;
  readonly partitions?: readonly Partition[];
}

/** GPT tables have room for 128 entries by default; beyond this an exact comparison of all pairs takes too long. */
const MAX_PARTITIONS = 10_000;

/** Two partitions that name the same number (or, without one, the same label) are one on merge. */
export function partitionKey({ number, label }: Partition): string {
  if (number !== 0) return `number:${number}`;
  return label === undefined ? '' : `label:${label}`;
}

const GUID = /^(|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$/;

function checkGuid(guid: string | undefined): Problem | undefined {
  if (guid === undefined || GUID.test(guid)) return undefined;
  return problem(
    'doesn\'t match the form "01234567-89AB-CDEF-EDCB-A98765432101"',
    'write 32 hexadecimal digits in groups of 8-4-4-4-12',
  );
}

function checkLabel(label: string | undefined): Problem | undefined {
  if (label === undefined) return undefined;
  if (byteLength(label) > 36) return problem('partition labels may not exceed 36 characters', 'shorten it');
  if (!label.includes(':')) return undefined;
  return problem('partition label will be truncated to text before the colon', 'leave the colon out');
}

export function checkPartition(partition: Partition, report: Report): void {
  const { number, label, guid, typeGuid, startMiB, sizeMiB, shouldExist } = partition;
  const described =
    label !== undefined || !!typeGuid || !!guid || startMiB !== undefined || sizeMiB !== undefined;
  if (shouldExist === false && described) {
    report.error(
      problem(
        'shouldExist specified false with other options also specified',
        'give only number and shouldExist',
      ),
    );
  }
  if (number === 0 && label === undefined) {
    report.error(problem('a partition number >= 1 or a label must be specified'));
  }
  report.error(checkLabel(label), 'label');
  report.error(checkGuid(guid), 'guid');
  report.error(checkGuid(typeGuid), 'typeGuid');
}

/** Index of the second partition with a number that another one has. */
function collidingNumber(partitions: readonly Partition[]): number | undefined {
  const seen = new Set<Integer>();
  for (const [index, { number }] of partitions.entries()) {
    if (number === 0) continue;
    if (seen.has(number)) return index;
    seen.add(number);
  }
  return undefined;
}

function collidingLabel(partitions: readonly Partition[]): number | undefined {
  const seen = new Set<string>();
  for (const [index, { label }] of partitions.entries()) {
    if (label === undefined) continue;
    if (seen.has(label)) return index;
    seen.add(label);
  }
  return undefined;
}

interface Extent {
  readonly index: number;
  readonly start: Integer;
  readonly end: Integer;
}

/** Ignition computes in 64 bits and wraps; only absurd sizes need that. */
function lastMiB(start: Integer, size: Integer): Integer {
  if (size === 0) return start;
  if (typeof start === 'number' && typeof size === 'number' && Number.isSafeInteger(start + size))
    return start + size - 1;
  return BigInt.asIntN(64, BigInt(start) + BigInt(size) - 1n);
}

/** Index of the first partition found to overlap another. Partitions without start or size are placed later. */
function overlapping(partitions: readonly Partition[]): number | undefined {
  const extents: Extent[] = [];
  for (const [index, { startMiB, sizeMiB }] of partitions.entries()) {
    if (startMiB === undefined || sizeMiB === undefined || startMiB === 0) continue;
    extents.push({ index, start: startMiB, end: lastMiB(startMiB, sizeMiB) });
  }
  for (const one of extents) {
    for (const other of extents) {
      if (one === other) continue;
      const startsWithin = one.start >= other.start && one.start <= other.end;
      const endsWithin = one.end >= other.start && one.end <= other.end;
      const covers = one.start < other.start && one.end > other.end;
      if (startsWithin || endsWithin || covers) return other.index;
    }
  }
  return undefined;
}

export function checkDisk({ device, partitions = [] }: Disk, report: Report): void {
  if (device === '') {
    report.error(
      problem('disk device is required', 'name it by a stable path such as /dev/disk/by-id/…'),
      'device',
    );
    return;
  }
  report.error(checkPath(device), 'device');
  if (partitions.length > MAX_PARTITIONS) {
    report.error(
      problem(`${partitions.length} partitions on one disk`, 'a partition table holds 128'),
      'partitions',
    );
    return;
  }
  const number = collidingNumber(partitions);
  if (number !== undefined) {
    report.error(
      problem('partition numbers collide', 'give each partition its own number, or 0'),
      'partitions',
      number,
    );
  }
  const overlap = overlapping(partitions);
  if (overlap !== undefined) {
    report.error(problem('partitions overlap', 'move startMiB or shrink sizeMiB'), 'partitions', overlap);
  }
  const removes = partitions.some(({ shouldExist }) => shouldExist === false);
  if (removes && partitions.some(({ number }) => number === 0)) {
    report.error(
      problem(
        'shouldExist is false for a partition and other partition(s) has start or size 0',
        'give every partition of this disk a number',
      ),
      'partitions',
    );
  }
  const label = collidingLabel(partitions);
  if (label !== undefined) {
    report.error(problem('cannot use the same partition label twice', 'rename one'), 'partitions', label);
  }
}

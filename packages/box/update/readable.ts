import { isVersion } from '../../../build/release/format/version.ts';
import { type Box, orLog, readTextIfThere } from '../io/box.ts';
import { list, member, parseDocument, string } from '../io/fields.ts';
import {
  beyondCompatibility,
  featuresOfPools,
  type PoolFeatures,
  readableFeatures,
  unreadable,
} from '../zfs/features.ts';
import { type Running, releaseIdentity } from './running.ts';
import { FOLDER } from './state.ts';

/*
 * Records which pool features the releases on this disk can read. A pool cannot be converted back: with one
 * unknown feature, the release in the other slot cannot use it, and a rejection or a rollback goes to that
 * slot.
 */

/**
 * The record. Each release writes its features at its boot; those of a staged release come from its signed
 * release.json.
 */
const READABLE = `${FOLDER}/readable.json`;
const KEPT = 4;

type Readable = readonly { readonly version: string; readonly features: readonly string[] }[];

function readRecord(box: Box): Readable {
  const read = () => {
    const content = readTextIfThere(box, READABLE);
    if (content === undefined) return [];
    const what = 'the record of pool features';
    return list(member(parseDocument(content, what, READABLE), 'releases'), (each) => ({
      version: string(member(each, 'version')),
      features: list(member(each, 'features'), (feature) => string(feature)),
    }));
  };
  return orLog(box, 'warning', 'it is not known which pools older releases can read', read) ?? [];
}

/** Records the pool features of a release. Undefined: unknown, so the old record stays. */
export function noteReadable(box: Box, version: string, features: readonly string[] | undefined): void {
  if (features === undefined) return;
  const before = readRecord(box);
  const known = before.find((each) => each.version === version);
  if (known && known.features.join() === features.join()) return;
  const releases = [...before.filter((each) => each.version !== version), { version, features }].slice(-KEPT);
  box.makeFolder(FOLDER, 0o700);
  box.writeFile(READABLE, `${JSON.stringify({ releases }, null, 2)}\n`, { mode: 0o600 });
}

/**
 * Records those of the running release. A full disk must not keep a trial from its end, so an error is only
 * logged.
 */
export function noteRunning(box: Box): void {
  orLog(box, 'warning', 'cannot record which pools this release can read', () =>
    noteReadable(box, releaseIdentity(box).version, readableFeatures(box)),
  );
}

/** The version in the other slot, if it has one. */
export function otherVersion({ disk }: Pick<Running, 'disk'>): string | undefined {
  const { version } = disk.slots.find(({ running }) => !running) ?? {};
  return version !== undefined && isVersion(version) ? version : undefined;
}

/** Imported pools that a release cannot read: `POOL: feature, …`. None if its features are unknown. */
export function unreadableBy(box: Box, version: string): string[] {
  const known = readRecord(box).find((each) => each.version === version);
  return known ? unreadable(featuresOfPools(box), known.features) : [];
}

/**
 * A sentence if pools are imported and nothing is recorded of a release, e.g. because it ran before there was
 * a record, or because the record was damaged.
 */
export function notKnown(box: Box, version: string): string | undefined {
  if (readRecord(box).some((each) => each.version === version)) return undefined;
  const names = featuresOfPools(box).map(({ name }) => name);
  return names.length === 0
    ? undefined
    : `it is not known whether ${version} can read the pools ${names.join(', ')}, because ${READABLE} says nothing of it`;
}

/** Faults of pool features, for the owner. `other`: the version in the other slot. */
export function featureNotes(box: Box, other: string | undefined): string[] {
  const pools = featuresOfPools(box);
  if (pools.length === 0) return [];
  const readable = readRecord(box).find(({ version }) => version === other)?.features;
  const more = readable && (readableFeatures(box) ?? []).filter((feature) => !readable.includes(feature));
  return pools.flatMap((pool) => {
    const { name, compatibility } = pool;
    const beyond = beyondCompatibility(box, pool);
    const lost = readable ? unreadable([pool], readable) : [];
    const notes = [
      ...lost.map((each) => `${other} cannot read pool ${each}: a rollback to it loses the pool`),
      ...(beyond.length > 0
        ? [`pool ${name} was upgraded beyond its compatibility=${compatibility}: ${beyond.join(', ')}`]
        : []),
    ];
    return [...notes, ...mayNotRise(pool, other, more ?? [])];
  });
}

function mayNotRise(pool: PoolFeatures, other: string | undefined, more: readonly string[]): string[] {
  const { name, compatibility, active, enabled } = pool;
  const would = more.filter((feature) => !active.includes(feature) && !enabled.includes(feature));
  if (compatibility !== 'off' || would.length === 0) return [];
  return [
    `do not run zpool upgrade ${name} while ${other} is in the other slot: it cannot read ${would.join(', ')} (zpool set compatibility=… ${name} prevents them)`,
  ];
}

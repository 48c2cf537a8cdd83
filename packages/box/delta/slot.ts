import type { Release } from '../../../build/release/format/types.ts';
import type { RunningUsr, SlotContent } from '../disk/model.ts';
import { type Box, BoxError, describeError, orLog, type RandomAccess, withScratch } from '../io/box.ts';
import { integer, members, readDocument, string } from '../io/fields.ts';
import { fetchRanges, fetchWhole, NoRanges, type Origin, type Range } from '../update/fetch.ts';
import { BATCH, batchesOf, bytesOf, type Fetch, type Plan, planCopies } from './plan.ts';
import { BLOCK, type Leaves, readLeaves } from './tree.ts';

/** Block device of the running /usr through dm-verity, so every read is verified. */
export const RUNNING = '/dev/mapper/usr';
/** The progress of staging. A later attempt resumes from it. */
export const RESUME = '/var/lib/draisine/update/resume.json';
const CHUNK = 1 << 20;

/** Bytes from the server, and bytes copied from this box. */
export interface Traffic {
  fetched: number;
  copied: number;
}

/** The release for a slot, its source, and the running release. */
export interface SlotOptions {
  readonly origin: Origin;
  /** The path of the release's folder below the base. */
  readonly folder: string;
  readonly release: Release;
  readonly running: RunningUsr;
  readonly traffic: Traffic;
  /** Fetch everything, even blocks that this box has. */
  readonly whole?: boolean;
}

/** Plans a slot, and fills it with blocks of this box and ranges from the server. */
export function slotContent(box: Box, options: SlotOptions): SlotContent {
  const { release, whole = false } = options;
  return {
    version: release.version,
    rootHash: release.rootHash,
    usrSize: release.usr.data,
    veritySize: release.usr.hash,
    write(devices) {
      if (whole) return writeWhole(box, options, devices);
      try {
        writeDelta(box, options, devices);
      } catch (error) {
        if (!(error instanceof NoRanges)) throw error;
        box.log('notice', `${describeError(error)}; all of /usr is fetched`);
        writeWhole(box, options, devices);
      }
    },
  };
}

type Devices = Parameters<SlotContent['write']>[0];

const pathOf = ({ folder }: SlotOptions) => `${folder}/usr.img`;

function writeWhole(box: Box, options: SlotOptions, devices: Devices): void {
  const { data, hash, hashOffset } = options.release.usr;
  const { size, sha256 } = options.release.files['usr.img'] ?? {};
  if (size !== hashOffset + hash || hashOffset < data)
    throw new BoxError(
      `the release says that usr.img has ${size} bytes, but its parts do not add up to that size`,
      {
        where: pathOf(options),
      },
    );
  box.remove(RESUME);
  const sent = fetchWhole(box, options.origin, pathOf(options), [
    { length: data, to: devices.usr },
    ...(hashOffset > data ? [{ length: hashOffset - data, to: undefined }] : []),
    { length: hash, to: devices.verity },
  ]);
  options.traffic.fetched += size;
  if (sent !== sha256)
    throw new BoxError(`usr.img is not the one that ${options.release.version} names`, {
      where: `${options.origin.base}/${pathOf(options)}`,
    });
}

function using<T>(box: Box, path: string, mode: 'read' | 'write', use: (file: RandomAccess) => T): T {
  const file = box.open(path, mode);
  try {
    return use(file);
  } finally {
    file.close();
  }
}

/** Fetches the hash tree of the release and writes it to its place. Returns its leaves. */
function fetchTree(box: Box, options: SlotOptions, device: string): Leaves {
  const { usr, rootHash } = options.release;
  return withScratch(box, 'tree', (folder) => {
    const path = `${folder}/tree`;
    box.writeFile(path, new Uint8Array(0), { mode: 0o600, durable: false });
    using(box, path, 'write', (tree) =>
      fetchRanges(
        box,
        options.origin,
        pathOf(options),
        split(usr.hashOffset, usr.hash),
        ({ from }, bytes) => {
          tree.write(from - usr.hashOffset, bytes);
          options.traffic.fetched += bytes.length;
        },
      ),
    );
    return using(box, path, 'read', (tree) => {
      const leaves = readLeaves(tree, 0, pathOf(options));
      if (leaves.rootHash !== rootHash || leaves.blocks * BLOCK !== usr.data)
        throw new BoxError('the hash tree from the server does not belong to the release', {
          where: pathOf(options),
        });
      using(box, device, 'write', (target) => copyBytes(tree, 0, target, 0, usr.hash));
      return leaves;
    });
  });
}

function split(from: number, length: number): Range[] {
  const ranges: Range[] = [];
  for (let at = 0; at < length; at += BATCH)
    ranges.push({ from: from + at, length: Math.min(BATCH, length - at) });
  return ranges;
}

function copyBytes(from: RandomAccess, at: number, to: RandomAccess, target: number, length: number): void {
  for (let done = 0; done < length; done += CHUNK)
    to.write(target + done, from.read(at + done, Math.min(CHUNK, length - done)));
}

/** The leaves of the running /usr; undefined if they cannot be read. Then all blocks are fetched. */
function runningLeaves(box: Box, { hashDevice, hashStart }: RunningUsr): Leaves | undefined {
  return orLog(box, 'notice', 'the hash tree of the running /usr cannot be compared', () =>
    using(box, hashDevice, 'read', (file) => readLeaves(file, (hashStart - 1) * BLOCK, hashDevice)),
  );
}

interface Resume {
  /** All inputs of the plan. */
  readonly plan: string;
  /** Number of finished fetches. Copies come before fetches, so all of them are finished. */
  readonly fetches: number;
}

/** The number of fetches of a plan that an earlier attempt has finished; undefined: none is known. */
function resumeAt(box: Box, plan: string): number | undefined {
  if (box.stat(RESUME) === undefined) return undefined;
  const found = orLog(box, 'notice', 'all of the slot is filled', () =>
    readDocument(box.readText(RESUME), 'the progress of staging', RESUME, (root) =>
      members<Resume>(root, { plan: (field) => string(field), fetches: (field) => integer(field, 0) }),
    ),
  );
  return found?.plan === plan ? found.fetches : undefined;
}

function writeDelta(box: Box, options: SlotOptions, devices: Devices): void {
  const next = fetchTree(box, options, devices.verity);
  const plan = planCopies(runningLeaves(box, options.running), next);
  const name = `${options.running.rootHash} ${next.rootHash} ${devices.usr}`;
  let done = resumeAt(box, name);
  if (done === undefined) {
    copyKnown(box, plan, devices.usr, options.traffic);
    done = 0;
    record(box, devices.usr, { plan: name, fetches: done });
  } else {
    box.log(
      'info',
      `resuming after ${bytesOf(plan.fetches.slice(0, done))} of ${bytesOf(plan.fetches)} bytes`,
    );
  }
  for (const batch of batchesOf(plan.fetches.slice(done), ({ count }) => count * BLOCK)) {
    fetchBatch(box, options, devices.usr, batch);
    done += batch.length;
    record(box, devices.usr, { plan: name, fetches: done });
  }
  box.remove(RESUME);
}

function copyKnown(box: Box, { copies }: Plan, device: string, traffic: Traffic): void {
  if (copies.length === 0) return;
  using(box, RUNNING, 'read', (running) =>
    using(box, device, 'write', (target) => {
      for (const { from, to, count } of copies)
        copyBytes(running, from * BLOCK, target, to * BLOCK, count * BLOCK);
    }),
  );
  traffic.copied += bytesOf(copies);
}

/** Records the progress. The data is flushed first, so that the record is true after a power cut. */
function record(box: Box, device: string, resume: Resume): void {
  box.sync(device);
  box.writeFile(RESUME, `${JSON.stringify(resume)}\n`, { mode: 0o600 });
}

function fetchBatch(box: Box, options: SlotOptions, device: string, batch: readonly Fetch[]): void {
  const ranges = batch.map(({ at, count }) => ({ from: at * BLOCK, length: count * BLOCK }));
  using(box, device, 'write', (target) =>
    fetchRanges(box, options.origin, pathOf(options), ranges, ({ from }, bytes) => {
      target.write(from, bytes);
      options.traffic.fetched += bytes.length;
    }),
  );
}

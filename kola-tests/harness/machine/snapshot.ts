import { existsSync } from 'node:fs';
import { mkdir, rm, statfs, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDir } from '../../../sdk/lib/cache.ts';
import { errorCode, Failure, ifThere } from '../../../sdk/lib/errors.ts';
import { canonicalJson, sha256 } from '../../../sdk/lib/files.ts';
import { withAgent } from '../guest/agent.ts';
import { EMPTY_CONFIG } from '../guest/ignition.ts';
import { digestOf } from '../qemu/digest.ts';
import { Unpluggable } from '../qemu/hotplug.ts';
import type { Disk } from '../qemu/parts.ts';
import { qemuArguments } from '../qemu/qemu-args.ts';
import { Unforkable } from '../qemu/vm.ts';
import { coldPlan, hardwareOf } from './boot.ts';
import { TooLate } from './first-boot.ts';
import type { Lab } from './lab.ts';
import { bootReady, bootToConfig, prepareCopy, provisionCopy, Unsavable } from './make-snapshot.ts';
import { type Snapshot, snapshotAt } from './saved-files.ts';
import { makeRoom } from './snapshot-room.ts';
import type { Plan } from './spec.ts';
import type { Started } from './started.ts';

/**
 * The point at which a machine is saved. `initrd`: while it looks for a config. `ready`: after its boot, and after its
 * preparation if its plan has one.
 */
export type Stage = 'initrd' | 'ready';

/** Limit for all snapshots together, in bytes. The least recently used ones are removed first. */
const CAP = 8 * 1024 ** 3;

/** Size of a snapshot in MiB in addition to the guest's memory: the writes of the first boot, and the device state. */
const DISK_ROOM = 1024;

const inProgress = new Map<string, Promise<Snapshot | Failure>>();

/** Called with each start of a machine for a snapshot. */
type Told = (started: Started) => void;

/**
 * The snapshot for a plan. It is made if it does not exist. Returns a Failure if the machine boots but cannot be saved:
 * then each machine must boot.
 */
export async function snapshotFor(
  lab: Lab,
  plan: Plan,
  stage: Stage,
  told: Told = () => {},
): Promise<Snapshot | Failure> {
  const cold = stage === 'initrd' ? initrdPlan(plan) : coldPlan(plan);
  const key = await snapshotKey(lab, cold, stage);
  for (;;) {
    const known = inProgress.get(key) ?? findOrMake({ lab, plan: cold, stage, told }, key);
    inProgress.set(key, known);
    const forget = (): void => {
      if (inProgress.get(key) === known) inProgress.delete(key);
    };
    known.catch(forget); // It did not boot. This caller gets the error; the next call tries again.
    const snapshot = await known;
    if (snapshot instanceof Failure || (await stillThere(snapshot))) return snapshot;
    forget(); // another run made room
  }
}

/** The plan of a machine in its initrd, without config and preparation. */
function initrdPlan(plan: Plan): Plan {
  return { ...withoutPreparation(coldPlan(plan)), start: 'fork', config: EMPTY_CONFIG };
}

function withoutPreparation({ prepare: _, ...plan }: Plan): Plan {
  return plan;
}

/** Records the use of a snapshot, because makeRoom removes the least recently used ones. */
async function stillThere({ dir }: Snapshot): Promise<boolean> {
  const now = new Date();
  return (await ifThere(utimes(dir, now, now).then(() => true))) ?? false;
}

/** The digest of everything that the saved state depends on, without paths, which differ between forks. */
async function snapshotKey(lab: Lab, plan: Plan, stage: Stage): Promise<string> {
  const nothing = { system: { path: '', format: 'qcow2' }, disks: new Map(), firmwareVars: '' } as const;
  const files = stage === 'initrd' ? nothing : { ...nothing, config: '' };
  const hardware = {
    ...plan,
    stage,
    prepare: await preparationKey(lab, plan),
    config: withAgent(plan.config),
    disk: lab.disk.sha256,
    files: await Promise.all(plan.disks.map((disk) => fileKey(lab, disk))),
    format: 'mapped-ram',
    qemu: lab.emulator.build,
    accel: lab.accel.identity,
    // The key includes the command line, so that a changed one does not use an old snapshot.
    args: qemuArguments(hardwareOf(lab, plan, files, { name: '', devices: [], incoming: false }), '/', {
      ovmfCode: '',
    }),
  };
  return sha256(canonicalJson(hardware)).slice(0, 32);
}

/** The key of a disk's content, if the disk is present from the start and not blank. */
async function fileKey(lab: Lab, { file, artifact }: Disk): Promise<string | null> {
  if (artifact !== undefined) return (await lab.image.get(artifact)).sha256;
  return file === undefined ? null : await digestOf(file);
}

async function preparationKey(lab: Lab, { prepare }: Plan): Promise<object | null> {
  if (!prepare) return null;
  const artifacts = await Promise.all(
    prepare.artifacts.map(async (name) => (await lab.image.get(name)).sha256),
  );
  return { name: prepare.name, text: prepare.run.toString(), artifacts };
}

/** The inputs of a snapshot. */
interface Wanted {
  readonly lab: Lab;
  readonly plan: Plan;
  readonly stage: Stage;
  readonly told: Told;
}

async function findOrMake(wanted: Wanted, key: string): Promise<Snapshot | Failure> {
  const { lab, plan } = wanted;
  const root = join(cacheDir(), 'snapshots');
  const dir = join(root, key);
  if (!existsSync(dir)) {
    await mkdir(root, { recursive: true });
    await makeRoom(root, CAP);
    const { bavail, bsize } = await statfs(root);
    const room = (plan.memory + DISK_ROOM) * 1024 ** 2;
    if (bavail * bsize < room) return new Failure(`too little room for a snapshot in ${root}`);
    const why = await make(wanted, dir);
    if (why) return why;
  }
  return snapshotAt(lab, plan, dir, key);
}

/** Makes the snapshot. Returns the reason if the machine is healthy but cannot be saved. */
async function make({ lab, plan, stage, told }: Wanted, dir: string): Promise<Failure | undefined> {
  if (stage === 'initrd') {
    const why = await bootToConfig(lab, plan, dir, told);
    // Without this snapshot, all first boots of the run would go through the firmware.
    return why instanceof TooLate ? await bootToConfig(lab, plan, dir, told) : why;
  }
  if (plan.prepare) {
    const base = await snapshotFor(lab, withoutPreparation(plan), 'ready', told);
    return base instanceof Failure ? base : await prepareCopy(lab, plan, dir, { base, told });
  }
  const why = await fromInitrd(lab, plan, { dir, told });
  if (!why || why instanceof Unsavable) return why;
  lab.log(`kola: a machine boots instead of being forked in its initrd: ${why.message}`);
  return await bootReady(lab, plan, dir, { told, why: why.message });
}

/** Makes a ready machine from a fork of the initrd. Returns the reason if it must boot instead. */
async function fromInitrd(
  lab: Lab,
  plan: Plan,
  { dir, told }: { readonly dir: string; readonly told: Told },
): Promise<Failure | undefined> {
  return await forkOrWhyNot(lab, {
    snapshot: () => snapshotFor(lab, plan, 'initrd', told),
    fork: async (base) => await provisionCopy(lab, plan, dir, { base, told }),
    unusable: isUnforkable,
    undo: async () => {},
  });
}

/** The steps of a fork, and the handling of its failure. */
export interface Forking {
  snapshot(): Promise<Snapshot | Failure>;
  /** Returns the reason if the fork succeeded, but its result cannot be used. */
  fork(snapshot: Snapshot): Promise<Failure | undefined>;
  /** Whether the snapshot is to blame for an error of `fork`. */
  unusable(error: unknown): boolean;
  /** Removes the files of a failed fork. */
  undo(): Promise<void>;
}

/**
 * Forks a machine. If the snapshot cannot be used, a new one is made. Returns the reason if the machine must boot
 * instead: it cannot be saved, a device cannot be plugged in, or the new snapshot cannot be used either.
 */
export async function forkOrWhyNot(lab: Lab, forking: Forking): Promise<Failure | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    const snapshot = await forking.snapshot();
    if (snapshot instanceof Failure) return snapshot;
    try {
      return await forking.fork(snapshot);
    } catch (error) {
      const refused = error instanceof Unpluggable;
      // Another run may make room at any time.
      const unusable = forking.unusable(error) || !existsSync(snapshot.state);
      if (!refused && !unusable) throw error;
      if (attempt === 2 && !refused && !isUnforkable(error)) throw error;
      await forking.undo();
      if (refused) return error;
      if (attempt === 2) return new Failure(`it cannot be forked: ${String(error)}`, { cause: error });
      lab.log(`kola: the snapshot ${snapshot.key} cannot be forked, so a new one is made: ${String(error)}`);
      await discardSnapshot(snapshot);
    }
  }
}

/** Whether it is certain that the snapshot is to blame. ENOENT: another run made room meanwhile. */
export function isUnforkable(error: unknown): boolean {
  return error instanceof Unforkable || errorCode(error) === 'ENOENT';
}

/** Removes a snapshot that cannot be used (e.g. truncated by a full disk), so that it is made again. */
async function discardSnapshot({ key, dir }: Snapshot): Promise<void> {
  inProgress.delete(key);
  await rm(dir, { recursive: true, force: true });
}

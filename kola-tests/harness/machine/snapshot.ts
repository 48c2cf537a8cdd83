import { existsSync } from 'node:fs';
import { mkdir, rm, statfs, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDir } from '../../../sdk/lib/cache.ts';
import { errorCode, Failure } from '../../../sdk/lib/errors.ts';
import { canonicalJson, sha256 } from '../../../sdk/lib/files.ts';
import { withAgent } from '../guest/agent.ts';
import { EMPTY_CONFIG } from '../guest/ignition.ts';
import { digestOf } from '../qemu/digest.ts';
import { Unpluggable } from '../qemu/hotplug.ts';
import type { Disk } from '../qemu/parts.ts';
import { qemuArguments } from '../qemu/qemu-args.ts';
import { Unforkable } from '../qemu/vm.ts';
import { coldPlan, hardwareOf } from './boot.ts';
import type { Lab } from './lab.ts';
import { bootReady, bootToConfig, prepareCopy, provisionCopy, Unsavable } from './make-snapshot.ts';
import { type Snapshot, snapshotAt } from './saved-files.ts';
import { makeRoom } from './snapshot-room.ts';
import type { Plan } from './spec.ts';
import type { Started } from './started.ts';

/** When a machine was saved: in its initrd, looking for a config; or when it was ready, and prepared if its plan says so. */
export type Stage = 'initrd' | 'ready';

/** Room that all snapshots together may take, in bytes: the least recently used go first. */
const CAP = 8 * 1024 ** 3;

/** MiB that a snapshot takes besides guest memory: the writes of the first boot, and device state. */
const DISK_ROOM = 1024;

const inProgress = new Map<string, Promise<Snapshot | Failure>>();

/** Is told how each machine came up that was made for a snapshot. */
type Told = (started: Started) => void;

/**
 * The snapshot of the machines that `plan` describes, made if there is none. A Failure is returned, not thrown, when
 * the machine boots but cannot be saved: then each machine has to boot for itself.
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
    known.catch(forget); // it did not boot: the caller is told, the next one may try again
    const snapshot = await known;
    if (snapshot instanceof Failure || (await stillThere(snapshot))) return snapshot;
    forget(); // another run made room
  }
}

/** Of a machine in its initrd, which has neither its config nor its preparation yet. */
function initrdPlan(plan: Plan): Plan {
  return { ...withoutPreparation(coldPlan(plan)), start: 'fork', config: EMPTY_CONFIG };
}

function withoutPreparation({ prepare: _, ...plan }: Plan): Plan {
  return plan;
}

/** Each use is noted, because makeRoom removes the least recently used. */
async function stillThere({ dir }: Snapshot): Promise<boolean> {
  const now = new Date();
  try {
    await utimes(dir, now, now);
    return true;
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    return false;
  }
}

/** Everything that the saved state depends on, without paths: they differ from fork to fork. */
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
    qemu: lab.emulator.version,
    accel: lab.accel.identity,
    // The command line itself, so that a changed one does not use an old snapshot.
    args: qemuArguments(hardwareOf(lab, plan, files, { name: '', devices: [], incoming: false }), '/', {
      ovmfCode: '',
    }),
  };
  return sha256(canonicalJson(hardware)).slice(0, 32);
}

/** The content of a disk that is there from the start and is not blank. */
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

/** What a snapshot is made of. */
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

/** Returns why not, when the machine is fine but cannot be saved. */
async function make({ lab, plan, stage, told }: Wanted, dir: string): Promise<Failure | undefined> {
  if (stage === 'initrd') return await bootToConfig(lab, plan, dir, told);
  if (plan.prepare) {
    const base = await snapshotFor(lab, withoutPreparation(plan), 'ready', told);
    return base instanceof Failure ? base : await prepareCopy(lab, plan, dir, { base, told });
  }
  const why = await fromInitrd(lab, plan, { dir, told });
  if (!why || why instanceof Unsavable) return why;
  lab.log(`kola: a machine boots instead of being forked in its initrd: ${why.message}`);
  return await bootReady(lab, plan, dir, { told, why: why.message });
}

/** Makes a ready machine of a fork of the initrd. Returns why it has to boot instead. */
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

/** How a machine is forked, and what is done when that fails. */
export interface Forking {
  snapshot(): Promise<Snapshot | Failure>;
  /** Returns why the result cannot be used, if the fork itself is fine. */
  fork(snapshot: Snapshot): Promise<Failure | undefined>;
  /** Whether the snapshot is to blame for an error of `fork`. */
  unusable(error: unknown): boolean;
  /** Removes what a fork that failed has left. */
  undo(): Promise<void>;
}

/**
 * Forks a machine; from a new snapshot when the first one cannot be used. Returns why the machine has to boot instead:
 * there is nothing to fork, what it needs cannot be plugged in, or the new snapshot is no better.
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
      lab.log(`kola: the snapshot ${snapshot.key} cannot be forked, it is made anew: ${String(error)}`);
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

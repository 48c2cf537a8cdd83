import { constants, existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm, statfs, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDir } from '../../../sdk/lib/cache.ts';
import { errorCode, Failure } from '../../../sdk/lib/errors.ts';
import { canonicalJson, sha256, temporaryName } from '../../../sdk/lib/files.ts';
import { withAgent } from '../guest/agent.ts';
import { guestVerbs } from '../guest/guest.ts';
import type { DiskFile } from '../qemu/devices.ts';
import { digestOf } from '../qemu/digest.ts';
import type { Disk } from '../qemu/parts.ts';
import { consoleLog, qemuArguments } from '../qemu/qemu-args.ts';
import { newMachineDir } from '../qemu/rundir.ts';
import { saveState, startVm, type Vm } from '../qemu/vm.ts';
import { seconds } from '../qemu/wait.ts';
import {
  artifactOrigin,
  coldPlan,
  createFiles,
  devicesOf,
  hardwareOf,
  type MachineFiles,
  type Origin,
  waitReady,
  wake,
} from './boot.ts';
import type { Lab } from './lab.ts';
import { makeRoom } from './snapshot-room.ts';
import type { Plan } from './spec.ts';

/** A machine that has booted, saved: its memory and device state, and the disks they belong to. */
export interface Snapshot extends Origin {
  readonly key: string;
  readonly dir: string;
  /** Memory and devices, for `migrate-incoming`. */
  readonly state: string;
  readonly console: string;
}

/** Room that all snapshots together may take, in bytes: the least recently used go first. */
const CAP = 8 * 1024 ** 3;

/** MiB that a snapshot takes besides guest memory: what the first boot writes, device state. */
const DISK_ROOM = 1024;

const inProgress = new Map<string, Promise<Snapshot | Failure>>();

/**
 * The snapshot of the machines that `plan` describes, made by booting one if there is none. A Failure is
 * returned, not thrown, when the machine boots but cannot be saved: then each machine has to boot for itself.
 */
export async function snapshotFor(lab: Lab, plan: Plan): Promise<Snapshot | Failure> {
  const cold = coldPlan(plan);
  const key = await snapshotKey(lab, cold);
  for (;;) {
    const known = inProgress.get(key) ?? findOrMake(lab, cold, key);
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

/** Each use is noted: it is what makeRoom goes by. */
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

/** All that the saved state depends on. Paths are left out: they differ from fork to fork. */
async function snapshotKey(lab: Lab, plan: Plan): Promise<string> {
  const hardware = {
    ...plan,
    prepare: await preparationKey(lab, plan),
    config: withAgent(plan.config),
    disk: lab.disk.sha256,
    files: await Promise.all(plan.disks.map((disk) => fileKey(lab, disk))),
    format: 'mapped-ram',
    qemu: lab.emulator.version,
    accel: lab.accel.identity,
    // The command line itself, so that a change of ours in it cannot meet an old snapshot.
    args: qemuArguments(
      hardwareOf(
        lab,
        plan,
        { system: { path: '', format: 'qcow2' }, disks: new Map(), firmwareVars: '', config: '' },
        {
          name: '',
          devices: [],
          incoming: false,
        },
      ),
      '/',
      { ovmfCode: '' },
    ),
  };
  return sha256(canonicalJson(hardware)).slice(0, 32);
}

/** What is on a disk that is there from the start, and is not blank. */
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

async function findOrMake(lab: Lab, plan: Plan, key: string): Promise<Snapshot | Failure> {
  const root = join(cacheDir(), 'snapshots');
  const dir = join(root, key);
  if (!existsSync(dir)) {
    await mkdir(root, { recursive: true });
    await makeRoom(root, CAP);
    const { bavail, bsize } = await statfs(root);
    const wanted = (plan.memory + DISK_ROOM) * 1024 ** 2;
    if (bavail * bsize < wanted) return new Failure(`too little room for a snapshot in ${root}`);
    const made = await make(lab, plan, dir);
    if (made) return made;
  }
  return snapshotAt(lab, plan, dir, key);
}

function snapshotAt(lab: Lab, plan: Plan, dir: string, key: string): Snapshot {
  const overlay = (name: string, backing?: DiskFile): DiskFile => ({
    path: join(dir, name),
    format: 'qcow2',
    ...(backing ? { backing } : {}),
  });
  return {
    key,
    dir,
    state: join(dir, 'state'),
    console: consoleLog(dir),
    firmwareVars: join(dir, 'vars.fd'),
    system: overlay('system.qcow2', artifactOrigin(lab).system),
    disks: new Map(
      plan.disks
        .filter(({ size }) => size !== undefined)
        .map(({ name }) => [name, overlay(`disk-${name}.qcow2`)]),
    ),
  };
}

/** Makes a machine and saves it as `dir`. Returns why not, when the machine is fine but QEMU cannot save it. */
async function make(lab: Lab, plan: Plan, dir: string): Promise<Failure | undefined> {
  const start = performance.now();
  const files = temporaryName(dir);
  const run = await newMachineDir();
  try {
    const base = plan.prepare ? await snapshotFor(lab, withoutPreparation(plan)) : undefined;
    if (base instanceof Failure) return base;
    const vm = base ? await startCopy(lab, plan, files, run, base) : await startFirst(lab, plan, files, run);
    try {
      if (plan.prepare) {
        await wake(lab, vm);
        const verbs = guestVerbs(lab.accel, plan.prepare.name, () => vm);
        await plan.prepare.run({ ...verbs, artifact: async (name) => (await lab.image.get(name)).path });
      } else await waitReady(lab, vm);
      // What udev has not done yet, every fork would have to do.
      await vm.agent.run('udevadm settle; sync', { timeoutMs: 120_000, signal: vm.lost });
      try {
        await saveState(vm.qmp, join(files, 'state'));
      } catch (error) {
        if (!(error instanceof Failure) || vm.lost.aborted) throw error;
        return error;
      }
      await vm.quit();
    } finally {
      await vm.kill();
    }
    await copyFile(consoleLog(run), consoleLog(files));
    await publish(files, dir);
    const what = plan.prepare ? `prepared ${plan.prepare.name}` : `booted ${lab.image.image}`;
    lab.log(`kola: ${what} (${plan.memory} MiB) for forks in ${seconds(performance.now() - start)}`);
    return undefined;
  } finally {
    await rm(files, { recursive: true, force: true });
    await rm(run, { recursive: true, force: true });
  }
}

function withoutPreparation({ prepare: _, ...plan }: Plan): Plan {
  return plan;
}

async function startFirst(lab: Lab, plan: Plan, files: string, run: string): Promise<Vm> {
  return await startOn(lab, plan, await createFiles(lab, plan, files, artifactOrigin(lab)), run);
}

/** Continues a snapshot on a copy of its files: the new snapshot then needs nothing of the old one. */
async function startCopy(lab: Lab, plan: Plan, files: string, run: string, base: Snapshot): Promise<Vm> {
  await mkdir(files, { mode: 0o700 });
  for (const name of (await readdir(base.dir)).filter((name) => name !== 'state')) {
    await copyFile(join(base.dir, name), join(files, name), constants.COPYFILE_FICLONE);
  }
  await copyFile(base.console, consoleLog(run));
  const { system, disks, firmwareVars } = snapshotAt(lab, plan, files, '');
  const layout = { system, disks, firmwareVars, config: join(files, 'ignition.json') };
  return await startOn(lab, plan, layout, run, base.state);
}

async function startOn(
  lab: Lab,
  plan: Plan,
  layout: MachineFiles,
  run: string,
  incoming?: string,
): Promise<Vm> {
  const { cold } = devicesOf(plan, layout, 0, () => '');
  const name = 'snapshot';
  const hardware = hardwareOf(lab, plan, layout, {
    name,
    devices: cold,
    incoming: incoming !== undefined,
  });
  return await startVm(lab.emulator, hardware, run, { incoming });
}

/** Forgets a snapshot that turned out not to be usable (cut short by a full disk, say), so that it is made anew. */
export async function discardSnapshot({ key, dir }: Snapshot): Promise<void> {
  inProgress.delete(key);
  await rm(dir, { recursive: true, force: true });
}

/** Another run may have been quicker: then its snapshot is as good as ours. */
async function publish(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error;
  }
}

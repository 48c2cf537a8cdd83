import { constants } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, Failure } from '../../../sdk/lib/errors.ts';
import { temporaryName } from '../../../sdk/lib/files.ts';
import { guestVerbs } from '../guest/guest.ts';
import type { Device } from '../qemu/devices.ts';
import { consoleLog } from '../qemu/qemu-args.ts';
import { newMachineDir } from '../qemu/rundir.ts';
import { saveState, startVm, type Vm, type VmStart } from '../qemu/vm.ts';
import { seconds } from '../qemu/wait.ts';
import {
  artifactOrigin,
  createFiles,
  devicesOf,
  hardwareOf,
  ignitionText,
  type MachineFiles,
  waitReady,
  wake,
} from './boot.ts';
import { configStick, stopAtConfig, waitFirstBoot } from './first-boot.ts';
import type { Lab } from './lab.ts';
import { type Snapshot, snapshotAt } from './saved-files.ts';
import type { Plan } from './spec.ts';
import type { Started } from './started.ts';

/*
 * Functions that make snapshots. Each one brings a machine to the point at which it is saved, and saves it as `dir`. If
 * the machine is healthy but cannot be saved, the function returns the reason.
 */

/** Callbacks and inputs for making a snapshot. */
interface Making {
  readonly told: (started: Started) => void;
  readonly base: Snapshot;
}

/** Makes a snapshot of a machine without a config, in its initrd. */
export async function bootToConfig(
  lab: Lab,
  plan: Plan,
  dir: string,
  told: Making['told'],
): Promise<Failure | undefined> {
  return await make(lab, plan, dir, {
    how: 'boot',
    what: `booted the initrd of ${lab.image.image}`,
    told,
    start: async (files, run) => {
      const { config: _, ...layout } = await createFiles(lab, plan, files, artifactOrigin(lab));
      return await startOn(lab, plan, layout, run, {});
    },
    bring: async (vm, run) => await stopAtConfig(lab, vm, run),
  });
}

/** Makes a snapshot of a ready machine by a boot. `why`: the reason why it is not made from a fork of the initrd. */
export async function bootReady(
  lab: Lab,
  plan: Plan,
  dir: string,
  { told, why }: Pick<Making, 'told'> & { readonly why: string },
): Promise<Failure | undefined> {
  return await make(lab, plan, dir, {
    how: 'boot',
    why,
    what: `booted ${lab.image.image}`,
    told,
    start: async (files, run) =>
      await startOn(lab, plan, await createFiles(lab, plan, files, artifactOrigin(lab)), run, {}),
    bring: async (vm) => {
      await waitReady(lab, vm);
      await settle(lab, vm);
    },
  });
}

/** Makes a snapshot of a ready machine from a fork of the initrd. */
export async function provisionCopy(
  lab: Lab,
  plan: Plan,
  dir: string,
  { base, told }: Making,
): Promise<Failure | undefined> {
  let stick: Device | undefined;
  return await make(lab, plan, dir, {
    how: 'initrd fork',
    what: `booted ${lab.image.image} from its initrd`,
    told,
    start: async (files, run) => {
      stick = await configStick(run, plan.config);
      return await startCopy(lab, plan, { files, run, base, plug: [stick] });
    },
    bring: async (vm) => {
      if (stick) await waitFirstBoot(lab, vm, stick);
      await settle(lab, vm);
    },
  });
}

/** Makes a snapshot of a ready machine after its preparation. */
export async function prepareCopy(
  lab: Lab,
  plan: Plan,
  dir: string,
  { base, told }: Making,
): Promise<Failure | undefined> {
  const { prepare } = plan;
  if (!prepare) throw new Failure('a plan without a preparation');
  return await make(lab, plan, dir, {
    how: 'fork',
    what: `prepared ${prepare.name}`,
    told,
    start: async (files, run) => await startCopy(lab, plan, { files, run, base, plug: [] }),
    bring: async (vm) => {
      await wake(lab, vm);
      const verbs = guestVerbs(lab.accel, prepare.name, () => vm);
      await prepare.run({ ...verbs, artifact: async (name) => (await lab.image.get(name)).path });
      await settle(lab, vm);
    },
  });
}

/** Waits for udev. Otherwise every fork would repeat the work that udev has not finished. */
async function settle({ accel }: Lab, { agent, lost }: Vm): Promise<undefined> {
  await agent.run('udevadm settle; sync', { timeoutMs: 120_000 * accel.slowness, signal: lost });
}

/** QEMU cannot save this kind of machine at all, e.g. one with NVMe disks. */
export class Unsavable extends Failure {}

interface Way extends Pick<Making, 'told'>, Pick<Started, 'how' | 'why'> {
  /** For the log. */
  readonly what: string;
  /** Makes the files in `files`, and starts a machine with its sockets in `run`. */
  start(files: string, run: string): Promise<Vm>;
  /** Brings the machine to the point at which it is saved. */
  bring(vm: Vm, run: string): Promise<Failure | undefined>;
}

async function make(lab: Lab, plan: Plan, dir: string, way: Way): Promise<Failure | undefined> {
  const start = performance.now();
  const files = temporaryName(dir);
  const run = await newMachineDir();
  try {
    const vm = await way.start(files, run);
    try {
      const why = await way.bring(vm, run);
      if (why) return why;
      try {
        await saveState(vm.qmp, join(files, 'state'));
      } catch (error) {
        if (!(error instanceof Failure) || vm.lost.aborted) throw error;
        return new Unsavable(error.message, { cause: error });
      }
      await vm.quit();
    } finally {
      await vm.kill();
    }
    await copyFile(consoleLog(run), consoleLog(files));
    await flush(files);
    await publish(files, dir);
    const ms = Math.round(performance.now() - start);
    const { how, why, what, told } = way;
    told({ machine: what, how, ms, ...(why === undefined ? {} : { why }) });
    lab.log(`kola: ${what} (${plan.memory} MiB) for forks in ${seconds(ms)}`);
    return undefined;
  } finally {
    await rm(files, { recursive: true, force: true });
    await rm(run, { recursive: true, force: true });
  }
}

/** Continues a snapshot on a copy of its files. So the new snapshot does not need the old one. */
async function startCopy(
  lab: Lab,
  plan: Plan,
  copy: {
    readonly files: string;
    readonly run: string;
    readonly base: Snapshot;
    readonly plug: readonly Device[];
  },
): Promise<Vm> {
  const { files, run, base, plug } = copy;
  await mkdir(files, { mode: 0o700 });
  for (const name of (await readdir(base.dir)).filter((name) => name !== 'state')) {
    await copyFile(join(base.dir, name), join(files, name), constants.COPYFILE_FICLONE);
  }
  await copyFile(base.console, consoleLog(run));
  const { system, disks, firmwareVars } = snapshotAt(lab, plan, files, '');
  const config = join(files, 'ignition.json');
  await writeFile(config, ignitionText(plan.config)); // read at its next first boot
  const layout = { system, disks, firmwareVars, config };
  return await startOn(lab, plan, layout, run, { incoming: base.state, plug });
}

async function startOn(
  lab: Lab,
  plan: Plan,
  layout: MachineFiles,
  run: string,
  how: Pick<VmStart, 'incoming' | 'plug'>,
): Promise<Vm> {
  const { cold } = devicesOf(plan, layout, 0, () => '');
  const incoming = how.incoming !== undefined;
  const hardware = hardwareOf(lab, plan, layout, { name: 'snapshot', devices: cold, incoming });
  return await startVm(lab.emulator, hardware, run, how);
}

/**
 * Writes the files of a folder to the disk. After a power cut of the host, a state with holes would have its right size,
 * and a fork of it would fail in strange ways each time.
 */
async function flush(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const file = await open(join(folder, name), 'r');
    try {
      await file.datasync();
    } finally {
      await file.close();
    }
  }
}

/** Another run may have been quicker. Then its snapshot is kept. */
async function publish(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error;
  }
}

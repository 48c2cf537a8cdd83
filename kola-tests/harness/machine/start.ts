import { copyFile, mkdir, rm } from 'node:fs/promises';
import { errorCode, Failure } from '../../../sdk/lib/errors.ts';
import { consoleLog } from '../qemu/qemu-args.ts';
import { createFiles, devicesOf, waitReady, wake } from './boot.ts';
import { plugDevice } from './plugging.ts';
import { cut, power, powerOn } from './power.ts';
import { discardSnapshot, type Snapshot, snapshotFor } from './snapshot.ts';
import type { PreparedGuest } from './spec.ts';
import type { MachineState } from './state.ts';

export interface StartVerbs {
  /** Why it could not be forked and was booted instead. */
  readonly fallback: () => string | undefined;
  /** Powers on. The first time by its spec: a fork or a boot; later always a boot, from the disks as they are. */
  start(): Promise<void>;
  /** Makes what `start` forks, if need be: other machines fork it as well, so that its time is not this one's. */
  prepare(): Promise<void>;
  /** Powers on and waits for nothing. */
  powerOn(): Promise<void>;
  /** After `powerOn`: waits until the machine answers and has started what it starts. */
  ready(): Promise<void>;
}

export function startVerbs(machine: MachineState, guest: PreparedGuest): StartVerbs {
  const { lab, options } = machine;
  const { name, plan } = options;
  const forks = plan.start === 'fork' && lab.forks;
  let fallback: string | undefined;

  const ready = async (): Promise<void> => await waitReady(lab, machine.running());
  const bootFresh = async (): Promise<void> => {
    await powerOn(machine);
    await ready();
    await plan.prepare?.run(guest);
  };

  return {
    fallback: () => fallback,
    start: async () => {
      if (machine.files) {
        await powerOn(machine);
        return await ready();
      }
      if (!forks) return await bootFresh();
      const trouble = await forkOrSay(machine);
      if (!trouble) return;
      fallback = trouble.message;
      lab.log(`kola: ${name} boots instead of being forked: ${fallback}`);
      await bootFresh();
    },
    prepare: async () => {
      if (!machine.files && forks) await snapshotFor(lab, plan);
    },
    powerOn: async () => await powerOn(machine),
    ready,
  };
}

/** Forks the machine from its snapshot, which is made first if need be. Returns why there can be none. */
async function forkOrSay(machine: MachineState): Promise<Failure | undefined> {
  const { lab, dir, over, options } = machine;
  let snapshot = await snapshotFor(lab, options.plan);
  for (let attempt = 1; !(snapshot instanceof Failure); attempt += 1) {
    try {
      await fork(machine, snapshot);
      return undefined;
    } catch (error) {
      // ENOENT: another run made room meanwhile.
      const unusable = error instanceof Failure || errorCode(error) === 'ENOENT';
      if (!unusable || attempt === 2) throw error;
      over.signal.throwIfAborted();
      lab.log(`kola: the snapshot ${snapshot.key} cannot be forked, it is made anew: ${String(error)}`);
      await cut(machine);
      machine.gone = undefined;
      await machine.whileThere(async () => {
        await rm(dir, { recursive: true, force: true });
        await mkdir(dir, { mode: 0o700 });
      });
      await discardSnapshot(snapshot);
      snapshot = await snapshotFor(lab, options.plan);
    }
  }
  return snapshot;
}

async function fork(machine: MachineState, snapshot: Snapshot): Promise<void> {
  const { lab, dir, options } = machine;
  const { plan, number, networks } = options;
  machine.files = await machine.whileThere(() => createFiles(lab, plan, dir, snapshot));
  machine.devices = devicesOf(plan, machine.files, number, networks);
  machine.plugged = [...machine.devices.cold];
  await machine.whileThere(() => copyFile(snapshot.console, consoleLog(dir)));
  await wake(lab, await power(machine, snapshot.state));
  for (const device of machine.devices.hot) {
    await plugDevice(machine, device);
    machine.plugged.push(device);
  }
}

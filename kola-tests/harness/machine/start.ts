import { copyFile, mkdir, rm } from 'node:fs/promises';
import { Failure } from '../../../sdk/lib/errors.ts';
import type { IgnitionConfig } from '../guest/ignition.ts';
import { consoleLog } from '../qemu/qemu-args.ts';
import { createFiles, devicesOf, waitReady, wake } from './boot.ts';
import { configStick, waitFirstBoot } from './first-boot.ts';
import { plugDevices } from './plugging.ts';
import { cut, power, powerOn } from './power.ts';
import type { Snapshot } from './saved-files.ts';
import { forkOrWhyNot, isUnforkable, type Stage, snapshotFor } from './snapshot.ts';
import type { Plan, PreparedGuest } from './spec.ts';
import type { Started } from './started.ts';
import type { MachineState } from './state.ts';

/** Verbs that power a machine on. */
export interface StartVerbs {
  /**
   * The reason why the machine was booted instead of forked.
   * @internal
   */
  readonly fallback: () => string | undefined;
  /**
   * The kind of each start, and the saved machines that were used.
   * @internal
   */
  readonly starts: () => readonly Started[];
  /**
   * Powers on, and waits until the boot has ended. The first start is a fork or a boot, as its spec says.
   * Every later start is a boot from the disks.
   * @example await box.start()
   */
  start(): Promise<void>;
  /**
   * The first start of a machine whose spec says `off`: a fork of its initrd, which then finds `config`.
   * A machine with kernel arguments of its own boots, because no other machine could be forked from its initrd.
   * Waits until the boot has ended.
   * @example await box.firstBoot(config)
   */
  firstBoot(config: IgnitionConfig): Promise<void>;
  /**
   * Makes the snapshot for `start`, if it does not exist. Its time does not count for this machine, because others use
   * it too.
   * @internal
   */
  prepare(): Promise<void>;
  /**
   * Powers the machine on without waiting.
   * @example await box.powerOn()
   */
  powerOn(): Promise<void>;
  /**
   * After `powerOn`: waits until the machine answers and its boot has ended.
   * @example await box.ready()
   */
  ready(): Promise<void>;
}

/** The verbs that power a machine on. */
export function startVerbs(machine: MachineState, guest: PreparedGuest): StartVerbs {
  const { lab, options, starts } = machine;
  const { name, plan } = options;
  const stage = stageOf(plan);
  let fallback: string | undefined;

  const ready = async (): Promise<void> => await waitReady(lab, machine.running());
  const boot = async (config: IgnitionConfig, why?: string): Promise<void> =>
    await machine.timed(
      'boot',
      async () => {
        await powerOn(machine, config);
        await ready();
      },
      why,
    );
  const forkOrBoot = async (from: Stage, config: IgnitionConfig): Promise<void> => {
    const trouble = lab.forks ? await forkOrSay(machine, from, config) : undefined;
    if (lab.forks && !trouble) return;
    fallback = trouble?.message;
    if (fallback) lab.log(`kola: ${name} boots instead of being forked: ${fallback}`);
    await boot(config, fallback);
    await plan.prepare?.run(guest);
  };

  return {
    fallback: () => fallback,
    starts: () => starts,
    start: async () => await (machine.files || !stage ? boot(plan.config) : forkOrBoot(stage, plan.config)),
    firstBoot: async (config) => {
      if (machine.files) throw new Failure(`${name} has booted before`);
      await (plan.kernelArguments === '' ? forkOrBoot('initrd', config) : boot(config));
    },
    prepare: async () => {
      if (!machine.files && stage && lab.forks)
        await snapshotFor(lab, plan, stage, (each) => starts.push(each));
    },
    powerOn: async () => await powerOn(machine),
    ready,
  };
}

/** The kind of snapshot for a machine's first start; undefined if it boots. */
function stageOf({ start }: Plan): Stage | undefined {
  if (start === 'fork') return 'ready';
  return start === 'first-boot' ? 'initrd' : undefined;
}

/**
 * Forks the machine from its snapshot, which is made first if it is missing. Returns the reason if the machine must
 * boot instead.
 */
async function forkOrSay(
  machine: MachineState,
  stage: Stage,
  config: IgnitionConfig,
): Promise<Failure | undefined> {
  const { lab, dir, over, options, starts } = machine;
  return await forkOrWhyNot(lab, {
    snapshot: () => snapshotFor(lab, options.plan, stage, (each) => starts.push(each)),
    fork: async (snapshot) => {
      if (stage === 'ready') await machine.timed('fork', () => fork(machine, snapshot));
      else await machine.timed('initrd fork', () => forkInitrd(machine, snapshot, config));
      return undefined;
    },
    unusable: (error) => isUnforkable(error) || (stage === 'ready' && error instanceof Failure),
    undo: async () => {
      over.signal.throwIfAborted();
      await cut(machine);
      machine.gone = undefined;
      machine.files = undefined;
      await machine.whileThere(async () => {
        await rm(dir, { recursive: true, force: true });
        await mkdir(dir, { mode: 0o700 });
      });
    },
  });
}

/** Makes the files of a fork. It starts with the devices of its snapshot. */
async function layOut(machine: MachineState, snapshot: Snapshot, config: IgnitionConfig): Promise<void> {
  const { lab, dir, options } = machine;
  const { plan, number, networks } = options;
  machine.files = await machine.whileThere(() => createFiles(lab, { ...plan, config }, dir, snapshot));
  machine.devices = devicesOf(plan, machine.files, number, networks);
  machine.plugged = [...machine.devices.cold];
  await machine.whileThere(() => copyFile(snapshot.console, consoleLog(dir)));
}

async function fork(machine: MachineState, snapshot: Snapshot): Promise<void> {
  await layOut(machine, snapshot, machine.options.plan.config);
  await wake(machine.lab, await power(machine, { incoming: snapshot.state }));
  await plugDevices(machine, machine.devices.hot);
  machine.plugged.push(...machine.devices.hot);
}

async function forkInitrd(machine: MachineState, snapshot: Snapshot, config: IgnitionConfig): Promise<void> {
  await layOut(machine, snapshot, config);
  const { hot } = machine.devices;
  const stick = await machine.whileThere(() => configStick(machine.dir, config));
  const vm = await power(machine, { incoming: snapshot.state, plug: [...hot, stick] });
  machine.plugged.push(...hot);
  await waitFirstBoot(machine.lab, vm, stick);
}

import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../../sdk/lib/errors.ts';
import type { GuestVerbs } from '../guest/guest.ts';
import { type HardshipVerbs, hardshipVerbs } from '../guest/hardships.ts';
import type { IgnitionConfig } from '../guest/ignition.ts';
import { newMachineDir } from '../qemu/rundir.ts';
import type { Vm } from '../qemu/vm.ts';
import { ignitionText, wake } from './boot.ts';
import { consoleText, type EndVerbs, endVerbs } from './ends.ts';
import { type FaultVerbs, faultVerbs } from './faults.ts';
import type { Lab } from './lab.ts';
import type { Netboot } from './netboot.ts';
import { deviceNamed, type PluggingVerbs, pluggingVerbs } from './plugging.ts';
import { cut } from './power.ts';
import { type SavedVerbs, savedVerbs } from './saved.ts';
import type { Plan } from './spec.ts';
import { type StartVerbs, startVerbs } from './start.ts';
import { type MachineOptions, MachineState } from './state.ts';

/** A machine of a test. */
export interface Machine
  extends GuestVerbs,
    FaultVerbs,
    HardshipVerbs,
    SavedVerbs,
    StartVerbs,
    EndVerbs,
    PluggingVerbs {
  readonly name: string;
  readonly plan: Plan;
  /** The folder with its sockets, overlays and logs. */
  readonly dir: string;
  /**
   * The running QEMU. Throws if the machine is off.
   * @internal
   */
  vm(): Vm;
  /**
   * Whether the machine is on.
   * @example assert.equal(box.isOn(), false)
   */
  isOn(): boolean;
  /**
   * The reason why the machine is off, if no verb turned it off.
   * @internal
   */
  gone(): Failure | undefined;
  /**
   * The kernel's messages before each orderly shutdown, as lines of `KERNEL_SCRIPT`, because the log of a boot is lost
   * at its end.
   * @internal
   */
  kernelLog(): readonly string[];
  /**
   * Multiplies the time limits of the guest's verbs from now on; limits of starts do not change.
   * @internal
   */
  hurry(factor: number): void;
  /**
   * From the next start on, the machine has no system disk, and its firmware boots from the network. `by`:
   * `ipxe` (SeaBIOS) or `http` (UEFI HTTP boot).
   * @example box.netboot({ by: 'ipxe', url: 'http://10.0.2.2:8080/boot.ipxe' })
   */
  netboot(how: Netboot): void;
  /**
   * From the next start on, the machine has this firmware and its disks, also after `netboot`.
   * @example box.useFirmware('bios')
   */
  useFirmware(kind: Plan['firmware']): void;
  /**
   * Words for the kernel's command line that guests on this host need (see `Acceleration`), for boots where the harness
   * cannot add them.
   */
  readonly kernelArguments: string;
  /**
   * Returns the path on this host of an artifact of the image, for `copyTo`.
   * @example await box.copyTo(await box.artifact('uki'), '/tmp/uki.efi')
   */
  artifact(name: string): Promise<string>;
  /**
   * Sets the config in QEMU's fw_cfg from the next start on (the harness adds its agent). `undefined`: no
   * config.
   * @example await box.configure(config)
   */
  configure(config: IgnitionConfig | undefined): Promise<void>;
  /**
   * QEMU's arguments of the last start.
   * @internal
   */
  lastArgs(): readonly string[];
  /**
   * Returns all text of the serial console since the first start.
   * @example assert.doesNotMatch(await box.consoleText(), /Oops/)
   */
  consoleText(): Promise<string>;
  /**
   * Ends the machine and removes its folder.
   * @internal
   */
  dispose(): Promise<void>;
}

/** Makes a machine that is off, with its own empty folder. */
export async function createMachine(lab: Lab, options: MachineOptions): Promise<Machine> {
  const state = new MachineState(lab, options, await newMachineDir());
  const { guest } = state;
  const running = (): Vm => state.running();
  const artifact = async (wanted: string): Promise<string> => (await lab.image.get(wanted)).path;
  const faults = faultVerbs(running, (which) => deviceNamed(state, which));
  const ends = endVerbs(state);
  return {
    name: options.name,
    plan: options.plan,
    dir: state.dir,
    vm: running,
    isOn: () => state.vm !== undefined,
    gone: () => state.gone,
    kernelLog: () => state.kernelLog,
    hurry: (factor) => {
      state.limitFactor = factor;
    },
    netboot: (how) => {
      state.network = how;
    },
    useFirmware: (kind) => {
      state.network = undefined;
      state.firmware = kind;
    },
    kernelArguments: lab.accel.kernelArguments,
    artifact,
    configure: async (config) => await configure(state, config),
    lastArgs: () => state.latest?.args ?? [],
    consoleText: async () => await consoleText(state),
    dispose: async () => await dispose(state),
    ...guest,
    ...startVerbs(state, { ...guest, artifact }),
    ...ends,
    ...pluggingVerbs(state),
    ...faults,
    ...hardshipVerbs(guest, { crash: ends.crash, corrupt: faults.corrupt }),
    ...savedVerbs(running, { disks: () => state.plugged, awake: () => wake(lab, running()) }),
  };
}

async function configure(state: MachineState, config: IgnitionConfig | undefined): Promise<void> {
  if (!state.files)
    throw new Failure(`${state.options.name} was not powered on yet: put the config in its spec`);
  const { config: path = join(state.dir, 'ignition.json'), ...others } = state.files;
  if (config) await state.whileThere(() => writeFile(path, ignitionText(config)));
  state.files = config ? { ...others, config: path } : others;
}

async function dispose(state: MachineState): Promise<void> {
  state.over.abort(new Failure(`${state.options.name} does not exist any more: its test is over`));
  await Promise.allSettled(state.underWay);
  await cut(state);
  await rm(state.dir, { recursive: true, force: true });
}

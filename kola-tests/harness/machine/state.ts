import { Failure } from '../../../sdk/lib/errors.ts';
import { type GuestVerbs, guestVerbs } from '../guest/guest.ts';
import type { Device } from '../qemu/devices.ts';
import type { Disk } from '../qemu/parts.ts';
import type { Vm } from '../qemu/vm.ts';
import type { Patience } from '../qemu/wait.ts';
import type { Devices, MachineFiles } from './boot.ts';
import type { Lab } from './lab.ts';
import type { Netboot } from './netboot.ts';
import type { Plan } from './spec.ts';
import type { Started } from './started.ts';

/** The inputs of a machine. */
export interface MachineOptions {
  readonly name: string;
  /** Its number in the test, from 1. It is part of its hardware addresses. */
  readonly number: number;
  readonly plan: Plan;
  /** The sockets of layer-2 networks. */
  readonly networks: (name: string) => string;
}

/** The state of a machine. All groups of its verbs share it. */
export class MachineState {
  readonly lab: Lab;
  readonly options: MachineOptions;
  /** The folder with its sockets, overlays and logs. */
  readonly dir: string;
  readonly guest: GuestVerbs;

  /** The running QEMU. */
  vm: Vm | undefined;
  /** The QEMU of the last start. */
  latest: Vm | undefined;
  /** The reason why it is off, if no verb turned it off. */
  gone: Failure | undefined;
  /** The kernel's messages before each orderly shutdown. */
  readonly kernelLog: string[] = [];
  /** All its starts, and those of machines that were saved for it. */
  readonly starts: Started[] = [];
  /** Multiplies the limits of the guest's verbs. */
  limitFactor = 1;

  /** Undefined until it is first powered on. */
  files: MachineFiles | undefined;
  devices: Devices = { cold: [], hot: [] };
  /** The devices that are plugged in now. */
  plugged: Device[] = [];
  disks: readonly Disk[];
  /** Forwarded ports: guest's port → host's port. */
  readonly forwards = new Map<number, number>();
  network: Netboot | undefined;
  firmware: Plan['firmware'];

  /** Aborted at the end of the test. */
  readonly over = new AbortController();
  /** Work that must end before the folder may be removed. */
  readonly underWay = new Set<Promise<unknown>>();

  constructor(lab: Lab, options: MachineOptions, dir: string) {
    this.lab = lab;
    this.options = options;
    this.dir = dir;
    this.disks = options.plan.disks;
    this.firmware = options.plan.firmware;
    this.guest = guestVerbs(
      lab.accel,
      options.name,
      () => this.running(),
      () => this.limitFactor,
    );
  }

  /** The running QEMU. Throws if the machine is off. */
  running(): Vm {
    if (!this.vm) throw this.gone ?? new Failure(`${this.options.name} is off`);
    return this.vm;
  }

  /**
   * Registers work in the machine's folder, or on a QEMU that `vm` does not have yet. It may continue after its test
   * was given up.
   */
  async whileThere<T>(work: () => Promise<T>): Promise<T> {
    this.over.signal.throwIfAborted();
    const working = work();
    this.underWay.add(working);
    try {
      return await working;
    } finally {
      this.underWay.delete(working);
    }
  }

  /** Records a start and its duration. */
  async timed(how: Started['how'], comesUp: () => Promise<void>, why?: string): Promise<void> {
    const start = performance.now();
    await comesUp();
    const ms = Math.round(performance.now() - start);
    this.starts.push({ machine: this.options.name, how, ms, ...(why === undefined ? {} : { why }) });
  }

  /** Seconds at native speed. */
  limited(seconds: number, signal?: AbortSignal): Patience {
    return { timeoutMs: seconds * 1000 * this.lab.accel.slowness, signal };
  }
}

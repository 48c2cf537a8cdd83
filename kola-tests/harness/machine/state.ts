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

/** What a machine is made from. */
export interface MachineOptions {
  readonly name: string;
  /** Its number in the test, from 1: part of its addresses. */
  readonly number: number;
  readonly plan: Plan;
  /** The sockets of layer-2 networks. */
  readonly networks: (name: string) => string;
}

/** State that the parts of a machine share: power, devices, files, ends. */
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
  /** Why it is off although no verb turned it off. */
  gone: Failure | undefined;
  /** The kernel's messages before each orderly end. */
  readonly kernelLog: string[] = [];
  /** How it came up each time, and the machines that were saved for that. */
  readonly starts: Started[] = [];
  /** Multiplies the limits of the guest's verbs. */
  limitFactor = 1;

  /** Missing until it is first powered on. */
  files: MachineFiles | undefined;
  devices: Devices = { cold: [], hot: [] };
  /** Those of `devices` that are in the machine now. */
  plugged: Device[] = [];
  disks: readonly Disk[];
  /** Ports of the host by those of the guest. */
  readonly forwards = new Map<number, number>();
  network: Netboot | undefined;
  firmware: Plan['firmware'];

  /** Aborted when the test is over. */
  readonly over = new AbortController();
  /** Work that must end before the folder can be removed. */
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

  /** The running QEMU; throws when the machine is off. */
  running(): Vm {
    if (!this.vm) throw this.gone ?? new Failure(`${this.options.name} is off`);
    return this.vm;
  }

  /** Work in the machine's folder, or on a QEMU that `vm` does not know yet. It may go on after its test was given up. */
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

  /** Notes how it comes up, and in what time. */
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

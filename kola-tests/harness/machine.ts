import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rm } from 'node:fs/promises';
import { Failure } from '../../sdk/lib/errors.ts';
import {
  artifactOrigin,
  createFiles,
  type Devices,
  devicesOf,
  hardwareOf,
  type MachineFiles,
  waitReady,
  wake,
} from './boot.ts';
import type { Device } from './devices.ts';
import { type FaultVerbs, faultVerbs } from './faults.ts';
import { forwardPort } from './forward.ts';
import { type GuestVerbs, guestVerbs } from './guest.ts';
import type { Lab } from './lab.ts';
import { consoleLog, type Ram } from './qemu-args.ts';
import { newMachineDir } from './rundir.ts';
import { discardSnapshot, type Snapshot, snapshotFor } from './snapshot.ts';
import { devicePath, type Plan } from './spec.ts';
import { startVm, type Vm } from './vm.ts';
import { poll } from './wait.ts';

/** A machine of a test. */
export interface Machine extends GuestVerbs, FaultVerbs {
  readonly name: string;
  readonly plan: Plan;
  /** Its sockets, overlays and logs. */
  readonly dir: string;
  /** The running QEMU; throws when the machine is off. */
  vm(): Vm;
  isOn(): boolean;
  /** How often it should have booted since it was last powered on, by what the test asked for. */
  expectedBoots(): number;
  /** Why it could not be forked and was booted instead. */
  readonly fallback: () => string | undefined;
  /** Powers on. The first time by its spec: a fork or a boot; later always a boot, from the disks as they are. */
  start(): Promise<void>;
  /** Orderly reboot by the guest; returns when it is up again. */
  reboot(): Promise<void>;
  /** Orderly shutdown by the guest; returns when it is off. */
  poweroff(): Promise<void>;
  /** Power cut: off at once, whatever it was doing. */
  crash(): Promise<void>;
  /** Where this host has an artifact of the image, for `copyTo`. */
  artifact(name: string): Promise<string>;
  /** The stable path of a disk in the guest. */
  disk(name: string): string;
  /** Takes a disk (by name) or NIC (`nic0`) out of the running machine. */
  unplug(name: string): Promise<void>;
  /** Puts it back. */
  plug(name: string): Promise<void>;
  /** A port of this host's 127.0.0.1 that leads to TCP port `guestPort` of the guest. */
  forward(guestPort: number): Promise<number>;
  /** QEMU's arguments of the last start, and what the serial console has said since the beginning. */
  lastArgs(): readonly string[];
  consoleText(): Promise<string>;
  /** Ends it and removes its folder. */
  dispose(): Promise<void>;
}

export interface MachineOptions {
  readonly name: string;
  /** Its number in the test, from 1: part of its addresses. */
  readonly number: number;
  readonly plan: Plan;
  readonly networks: (name: string) => string;
}

export async function createMachine(
  lab: Lab,
  { name, number, plan, networks }: MachineOptions,
): Promise<Machine> {
  const dir = await newMachineDir();
  let vm: Vm | undefined;
  let files: MachineFiles | undefined;
  let devices: Devices = { cold: [], hot: [] };
  let plugged: Device[] = [];
  let ram: Ram = { kind: 'private' };
  let boot: string | undefined;
  let boots = 0;
  let fallback: string | undefined;
  let args: readonly string[] = [];

  function running(): Vm {
    if (!vm) throw new Failure(`${name} is off`);
    return vm;
  }

  async function power(incoming?: string): Promise<Vm> {
    if (vm) throw new Failure(`${name} is on already`);
    if (!files) throw new Failure(`${name} has no files`);
    const hardware = hardwareOf(lab, plan, files, {
      name,
      devices: plugged,
      ram,
      incoming: incoming !== undefined,
    });
    const started = await startVm(lab.emulator, hardware, dir, incoming);
    vm = started;
    args = started.args;
    boots = 0;
    void started.ended.then(() => {
      if (vm === started) vm = undefined;
    });
    return started;
  }

  async function booted(notBoot?: string): Promise<void> {
    boots += 1;
    boot = await waitReady(lab, running(), notBoot);
  }

  async function fork(snapshot: Snapshot): Promise<void> {
    files = await createFiles(lab, plan, dir, snapshot);
    devices = devicesOf(plan, files, number, networks);
    plugged = [...devices.cold];
    ram = { kind: 'file', path: snapshot.ram, share: false };
    await copyFile(snapshot.console, consoleLog(dir));
    const started = await power(snapshot.state);
    boots = 1;
    boot = await wake(lab, started);
    for (const device of devices.hot) await plugDevice(device);
  }

  async function bootFresh(): Promise<void> {
    files = await createFiles(lab, plan, dir, artifactOrigin(lab));
    devices = devicesOf(plan, files, number, networks);
    plugged = [...devices.cold, ...devices.hot];
    await power();
    await booted();
    await plan.prepare?.run(machine);
  }

  async function start(): Promise<void> {
    if (files) {
      ram = { kind: 'private' };
      await power();
      return await booted();
    }
    if (plan.start === 'fresh' || !lab.forks) return await bootFresh();
    let snapshot = await snapshotFor(lab, plan);
    for (let attempt = 1; !(snapshot instanceof Failure); attempt += 1) {
      try {
        return await fork(snapshot);
      } catch (error) {
        if (!(error instanceof Failure) || attempt === 2) throw error;
        lab.log(`kola: the snapshot ${snapshot.key} cannot be forked, it is made anew: ${error.message}`);
        await vm?.kill();
        await rm(dir, { recursive: true, force: true });
        await mkdir(dir, { mode: 0o700 });
        await discardSnapshot(snapshot);
        snapshot = await snapshotFor(lab, plan);
      }
    }
    fallback = snapshot.message;
    lab.log(`kola: ${name} boots instead of being forked: ${fallback}`);
    await bootFresh();
  }

  async function plugDevice({ device, blockdevs, netdev, id }: Device): Promise<void> {
    const { qmp } = running();
    for (const node of blockdevs) await qmp.execute('blockdev-add', node);
    if (netdev) await qmp.execute('netdev_add', netdev);
    await qmp.execute('device_add', device);
    const disk = plan.disks.find((candidate) => `disk-${candidate.name}` === id);
    if (disk) await machine.waitForFile(devicePath(disk));
  }

  function deviceNamed(which: string): Device {
    const all = [...devices.cold, ...devices.hot];
    const found = all.find(({ id }) => id === which || id === `disk-${which}`);
    if (!found)
      throw new Failure(`${name} has no device ${which}: it has ${all.map(({ id }) => id).join(', ')}`);
    return found;
  }

  const lifecycle: Omit<Machine, keyof GuestVerbs | keyof FaultVerbs> = {
    name,
    plan,
    dir,
    vm: running,
    isOn: () => vm !== undefined,
    expectedBoots: () => boots,
    fallback: () => fallback,
    start,
    reboot: async () => {
      const before = boot;
      // The answer may or may not come before the channel goes.
      await running()
        .agent.run('systemctl reboot', { timeoutMs: 20_000 * lab.accel.slowness, signal: running().lost })
        .catch(ignoreReboot);
      await booted(before);
    },
    poweroff: async () => {
      const { agent, ended, lost } = running();
      await agent
        .run('systemctl poweroff', { timeoutMs: 20_000 * lab.accel.slowness, signal: lost })
        .catch(ignoreReboot);
      await poll(`${name} off`, async () => (vm === undefined ? true : undefined), {
        timeoutMs: 60_000 * lab.accel.slowness,
      });
      await ended;
    },
    crash: async () => {
      await running().kill();
      vm = undefined;
    },
    artifact: async (wanted) => (await lab.image.get(wanted)).path,
    disk: (wanted) => {
      const disk = plan.disks.find((candidate) => candidate.name === wanted);
      if (!disk) throw new Failure(`${name} has no disk ${wanted}`);
      return devicePath(disk);
    },
    unplug: async (which) => {
      const device = deviceNamed(which);
      const { qmp, lost } = running();
      const gone = qmp.nextEvent(
        ({ event, data }) => event === 'DEVICE_DELETED' && data?.device === device.id,
        `${which} unplugged`,
        {
          timeoutMs: 20_000 * lab.accel.slowness,
          signal: lost,
        },
      );
      gone.catch(() => {}); // read below, unless device_del fails
      await qmp.execute('device_del', { id: device.id });
      await gone;
      for (const node of [...device.blockdevs].reverse())
        await qmp.execute('blockdev-del', { 'node-name': node['node-name'] });
      if (device.netdev) await qmp.execute('netdev_del', { id: device.netdev.id });
      plugged = plugged.filter(({ id }) => id !== device.id);
    },
    plug: async (which) => {
      const device = deviceNamed(which);
      await plugDevice(device);
      plugged.push(device);
    },
    forward: async (guestPort) => await forwardPort(running().qmp, guestPort),
    lastArgs: () => args,
    consoleText: async () => (existsSync(consoleLog(dir)) ? await readFile(consoleLog(dir), 'utf8') : ''),
    dispose: async () => {
      await vm?.kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
  const machine: Machine = {
    ...lifecycle,
    ...guestVerbs(lab, name, running),
    ...faultVerbs(running, deviceNamed),
  };
  return machine;
}

function ignoreReboot(error: unknown): void {
  if (!(error instanceof Failure) || !/rebooted|the machine is off|channel is closed/.test(error.message))
    throw error;
}

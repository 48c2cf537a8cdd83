import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, Failure } from '../../../sdk/lib/errors.ts';
import { type GuestVerbs, guestVerbs, type Limit } from '../guest/guest.ts';
import { type HardshipVerbs, hardshipVerbs } from '../guest/hardships.ts';
import type { IgnitionConfig } from '../guest/ignition.ts';
import { KERNEL_SCRIPT } from '../guest/kernel-log.ts';
import { type Device, type DiskFile, diskDevice, portName } from '../qemu/devices.ts';
import { directBoot } from '../qemu/direct.ts';
import { forwardPort } from '../qemu/forward.ts';
import { type Disk, devicePath } from '../qemu/parts.ts';
import { consoleLog, FIRST_HOTPLUG_SLOT } from '../qemu/qemu-args.ts';
import { newMachineDir } from '../qemu/rundir.ts';
import { type Down, startVm, type Vm } from '../qemu/vm.ts';
import { type Patience, within } from '../qemu/wait.ts';
import {
  artifactOrigin,
  createFiles,
  type Devices,
  devicesOf,
  hardwareOf,
  ignitionText,
  type MachineFiles,
  waitReady,
  wake,
} from './boot.ts';
import { type FaultVerbs, faultVerbs } from './faults.ts';
import type { Lab } from './lab.ts';
import { type Netboot, netbootDevices, withHttpBoot } from './netboot.ts';
import { type SavedVerbs, savedVerbs } from './saved.ts';
import { discardSnapshot, type Snapshot, snapshotFor } from './snapshot.ts';
import type { Plan } from './spec.ts';

/** How long a boot may take on native speed. */
const BOOT_SECONDS = 120;
/** How long it may take to go down. */
const DOWN_SECONDS = 60;

/** A machine of a test. */
export interface Machine extends GuestVerbs, FaultVerbs, HardshipVerbs, SavedVerbs {
  readonly name: string;
  readonly plan: Plan;
  /** Its sockets, overlays and logs. */
  readonly dir: string;
  /** The running QEMU; throws when the machine is off. */
  vm(): Vm;
  isOn(): boolean;
  /** Why it is off although no verb turned it off. */
  gone(): Failure | undefined;
  /** What its kernel had said before each orderly end, as lines of `KERNEL_SCRIPT`: a boot's log goes with it. */
  kernelLog(): readonly string[];
  /** Why it could not be forked and was booted instead. */
  readonly fallback: () => string | undefined;
  /** Multiplies the limits of the guest's verbs from now on; those of starts stay. */
  hurry(factor: number): void;
  /** Powers on. The first time by its spec: a fork or a boot; later always a boot, from the disks as they are. */
  start(): Promise<void>;
  /** Makes what `start` forks, if need be: other machines fork it as well, so that its time is not this one's. */
  prepare(): Promise<void>;
  /** From the next start on it has no system disk, and its firmware boots from the network. */
  netboot(how: Netboot): void;
  /** From the next start on, whatever its spec says: the disks are there again after `netboot`. */
  useFirmware(kind: Plan['firmware']): void;
  /** Words for the kernel's command line that this host needs (see `Acceleration`), where no harness puts them. */
  readonly kernelArguments: string;
  /** Powers on and waits for nothing. */
  powerOn(): Promise<void>;
  /** After `powerOn`: waits until the machine answers and has started what it starts. */
  ready(): Promise<void>;
  /** Powers on a machine that must not come up, until its console says why, then off. Returns the console's text. */
  bootFails(options?: Limit): Promise<string>;
  /** Orderly reboot by the guest; returns when it is up again. */
  reboot(): Promise<void>;
  /** Orderly shutdown by the guest; returns when it is off. */
  poweroff(): Promise<void>;
  /** Somebody presses the power button; returns when the machine is off. */
  powerButton(): Promise<void>;
  /** Until the guest has ended as it was told to otherwise: by its config, a word on its command line, a program of its own. */
  goesDown(how: Down, options?: Limit): Promise<void>;
  /** Power cut: off at once, whatever it was doing. */
  crash(): Promise<void>;
  /** Where this host has an artifact of the image, for `copyTo`. */
  artifact(name: string): Promise<string>;
  /** What QEMU's fw_cfg holds from the next start on: a config (the harness adds its agent), or nothing. */
  configure(config: IgnitionConfig | undefined): Promise<void>;
  /** The stable path of a disk in the guest. */
  disk(name: string): string;
  /** Takes a disk (by name) or NIC (`nic0`) out, whether the machine runs or is off. */
  unplug(name: string): Promise<void>;
  /** Puts it back. */
  plug(name: string): Promise<void>;
  /** Takes a disk out and plugs it into another machine, which has it from then on. */
  give(name: string, to: Machine): Promise<void>;
  /** The other side of `give`. */
  take(disk: Disk, file: DiskFile): Promise<void>;
  /** The hardware address of NIC number `nic`. */
  mac(nic: number): string;
  /** A port of this host's 127.0.0.1 that leads to TCP port `guestPort` of the guest, now and after each restart. */
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
  let disks = plan.disks;
  let fallback: string | undefined;
  let latest: Vm | undefined;
  let network: Netboot | undefined;
  let { firmware } = plan;
  /** Ports of the host by those of the guest. */
  const forwards = new Map<number, number>();

  let gone: Failure | undefined;
  let patience = 1;
  const log: string[] = [];
  const forks = plan.start === 'fork' && lab.forks;
  const over = new AbortController();
  /** What must have come to its end before the folder can go. */
  const underWay = new Set<Promise<unknown>>();

  function running(): Vm {
    if (!vm) throw gone ?? new Failure(`${name} is off`);
    return vm;
  }

  /** Work in the machine's folder, or on a QEMU that `vm` does not know of yet. A test that was given up may go on for a while. */
  async function whileThere<T>(work: () => Promise<T>): Promise<T> {
    over.signal.throwIfAborted();
    const working = work();
    underWay.add(working);
    try {
      return await working;
    } finally {
      underWay.delete(working);
    }
  }

  async function power(incoming?: string): Promise<Vm> {
    return await whileThere(() => powerNow(incoming));
  }

  async function powerNow(incoming?: string): Promise<Vm> {
    if (gone) throw gone;
    if (vm) throw new Failure(`${name} is on already`);
    if (!files) throw new Failure(`${name} has no files`);
    // What is forked has booted through UEFI.
    const kind = incoming === undefined ? firmware : 'uefi';
    const hardware = {
      ...hardwareOf(lab, { ...plan, firmware: kind }, files, {
        name,
        devices: network ? netbootDevices(plugged, network) : plugged,
        incoming: incoming !== undefined,
        ...(kind === 'none' ? { direct: await directBoot(lab.image) } : {}),
      }),
      ...(network ? { bios: network.by === 'ipxe' } : {}),
    };
    if (network?.by === 'http')
      await writeFile(files.firmwareVars, withHttpBoot(await readFile(lab.emulator.ovmfVars), network.url));
    const started = await startVm(lab.emulator, hardware, dir, { incoming, signal: over.signal });
    vm = started;
    latest = started;
    void started.ended.then(() => {
      // A verb that turns it off forgets it first.
      if (vm !== started) return;
      vm = undefined;
      gone = started.lost.reason as Failure;
    });
    for (const [guestPort, hostPort] of forwards) await forwardPort(started.qmp, guestPort, hostPort);
    return started;
  }

  async function fork(snapshot: Snapshot): Promise<void> {
    files = await whileThere(() => createFiles(lab, plan, dir, snapshot));
    devices = devicesOf(plan, files, number, networks);
    plugged = [...devices.cold];
    await whileThere(() => copyFile(snapshot.console, consoleLog(dir)));
    const started = await power(snapshot.state);
    await wake(lab, started);
    for (const device of devices.hot) {
      await plugDevice(device);
      plugged.push(device);
    }
  }

  /** Powers on what has disks already from those, any other machine from the artifact. */
  async function powerOn(): Promise<void> {
    if (!files) {
      files = await whileThere(() => createFiles(lab, plan, dir, artifactOrigin(lab)));
      devices = devicesOf(plan, files, number, networks);
      plugged = [...devices.cold, ...devices.hot];
    }
    await power();
  }

  async function bootFresh(): Promise<void> {
    await powerOn();
    await waitReady(lab, running());
    await plan.prepare?.run(machine);
  }

  async function start(): Promise<void> {
    if (files) {
      await powerOn();
      return await waitReady(lab, running());
    }
    if (!forks) return await bootFresh();
    let snapshot = await snapshotFor(lab, plan);
    for (let attempt = 1; !(snapshot instanceof Failure); attempt += 1) {
      try {
        return await fork(snapshot);
      } catch (error) {
        // ENOENT: another run made room meanwhile.
        const unusable = error instanceof Failure || errorCode(error) === 'ENOENT';
        if (!unusable || attempt === 2) throw error;
        over.signal.throwIfAborted();
        lab.log(`kola: the snapshot ${snapshot.key} cannot be forked, it is made anew: ${String(error)}`);
        await cut();
        gone = undefined;
        await whileThere(async () => {
          await rm(dir, { recursive: true, force: true });
          await mkdir(dir, { mode: 0o700 });
        });
        await discardSnapshot(snapshot);
        snapshot = await snapshotFor(lab, plan);
      }
    }
    fallback = snapshot.message;
    lab.log(`kola: ${name} boots instead of being forked: ${fallback}`);
    await bootFresh();
  }

  async function unplugDevice({ id, blockdevs, netdev }: Device, { qmp, lost }: Vm): Promise<void> {
    const gone = qmp.nextEvent(
      ({ event, data }) => event === 'DEVICE_DELETED' && data?.device === id,
      `${id} unplugged`,
      { timeoutMs: 20_000 * lab.accel.slowness, signal: lost },
    );
    gone.catch(() => {}); // read below, unless device_del fails
    await qmp.execute('device_del', { id });
    await gone;
    for (const node of [...blockdevs].reverse())
      await qmp.execute('blockdev-del', { 'node-name': node['node-name'] });
    if (netdev) await qmp.execute('netdev_del', { id: netdev.id });
  }

  async function plugDevice({ device, blockdevs, netdev, id }: Device): Promise<void> {
    const { qmp } = running();
    for (const node of blockdevs) await qmp.execute('blockdev-add', node);
    if (netdev) await qmp.execute('netdev_add', netdev);
    await qmp.execute('device_add', device);
    const disk = disks.find((candidate) => `disk-${candidate.name}` === id);
    if (disk) await machine.waitForFile(devicePath(disk));
  }

  /** Has the guest shut down, in order; returns when QEMU has ended (see `reboot=shutdown` in qemu-args.ts). */
  async function down(how: Down, ask: (vm: Vm) => Promise<unknown>): Promise<void> {
    const asked = running();
    const { stdout } = await asked.agent.run(KERNEL_SCRIPT, limited(20, asked.lost));
    log.push(...stdout.toString().split('\n'));
    await ask(asked);
    await went(asked, how, limited(DOWN_SECONDS));
  }

  /** The answer may or may not come before the channel goes. */
  const systemctl =
    (verb: Down) =>
    async ({ agent, lost }: Vm): Promise<void> => {
      await agent.run(`systemctl ${verb}`, limited(20, lost)).catch((error: unknown) => {
        if (!lost.aborted && !isReboot(error)) throw error;
      });
    };

  /** Until the guest has ended, as it was asked to. What else ended it, a panic on the way down, is thrown. */
  async function went(asked: Vm, how: Down, patience: Patience): Promise<void> {
    const { lost, ended } = asked;
    if (!lost.aborted) await within(once(lost, 'abort'), `${name} off`, patience);
    // It is said before QEMU's end when the console shows it.
    if (asked.wentDown() !== how) throw lost.reason;
    await ended;
    if (vm === asked) vm = undefined;
    gone = undefined;
  }

  /** Ends QEMU at once. */
  async function cut(): Promise<void> {
    const last = vm;
    vm = undefined;
    await last?.kill();
  }

  function limited(seconds: number, signal?: AbortSignal): Patience {
    return { timeoutMs: seconds * 1000 * lab.accel.slowness, signal };
  }

  function diskNamed(wanted: string): Disk {
    const disk = disks.find((candidate) => candidate.name === wanted);
    if (!disk) throw new Failure(`${name} has no disk ${wanted}`);
    return disk;
  }

  function deviceNamed(which: string): Device {
    const all = [...devices.cold, ...devices.hot];
    const found = all.find(({ id }) => id === which || id === `disk-${which}`);
    if (!found)
      throw new Failure(`${name} has no device ${which}: it has ${all.map(({ id }) => id).join(', ')}`);
    return found;
  }

  const lifecycle: Omit<Machine, keyof (GuestVerbs & FaultVerbs & HardshipVerbs & SavedVerbs)> = {
    name,
    plan,
    dir,
    vm: running,
    isOn: () => vm !== undefined,
    gone: () => gone,
    kernelLog: () => log,
    fallback: () => fallback,
    hurry: (factor) => {
      patience = factor;
    },
    start,
    prepare: async () => {
      if (!files && forks) await snapshotFor(lab, plan);
    },
    netboot: (how) => {
      network = how;
    },
    useFirmware: (kind) => {
      network = undefined;
      firmware = kind;
    },
    kernelArguments: lab.accel.kernelArguments,
    powerOn,
    ready: async () => await waitReady(lab, running()),
    bootFails: async (options) => {
      await powerOn();
      const { agent, lost } = running();
      try {
        await agent.hello(limited(options?.seconds ?? BOOT_SECONDS, lost));
      } catch (error) {
        if (!lost.aborted) throw error;
        return await lifecycle.consoleText();
      } finally {
        await cut();
        gone = undefined;
      }
      throw new Failure(`${name} came up, but should not have`);
    },
    reboot: async () => {
      await down('reboot', systemctl('reboot'));
      await power();
      await waitReady(lab, running());
    },
    poweroff: async () => await down('poweroff', systemctl('poweroff')),
    powerButton: async () => await down('poweroff', ({ qmp }) => qmp.execute('system_powerdown')),
    goesDown: async (how, options) => {
      // It may have ended already.
      if (!latest) throw new Failure(`${name} was never on`);
      await went(latest, how, limited(options?.seconds ?? DOWN_SECONDS));
    },
    crash: async () => {
      running();
      await cut();
    },
    configure: async (config) => {
      if (!files) throw new Failure(`${name} has its config in its spec until it was powered on`);
      const { config: path = join(dir, 'ignition.json'), ...others } = files;
      if (config) await whileThere(() => writeFile(path, ignitionText(config)));
      files = config ? { ...others, config: path } : others;
    },
    artifact: async (wanted) => (await lab.image.get(wanted)).path,
    disk: (wanted) => {
      return devicePath(diskNamed(wanted));
    },
    mac: (nic) => {
      const { device } = deviceNamed(`nic${nic}`);
      return String(device.mac);
    },
    give: async (which, to) => {
      const disk = diskNamed(which);
      const file = files?.disks.get(which);
      if (!file) throw new Failure(`${name} has no file of disk ${which}`);
      await lifecycle.unplug(which);
      disks = disks.filter((other) => other !== disk);
      await to.take(disk, file);
    },
    take: async (disk, file) => {
      const used = new Set([...devices.cold, ...devices.hot].map(({ device }) => device.bus));
      let slot = FIRST_HOTPLUG_SLOT;
      while (used.has(portName(slot))) slot += 1;
      const device = diskDevice(disk, file, slot);
      disks = [...disks, disk];
      devices = { ...devices, hot: [...devices.hot, device] };
      await plugDevice(device);
      plugged.push(device);
    },
    unplug: async (which) => {
      const device = deviceNamed(which);
      if (vm) await unplugDevice(device, vm);
      plugged = plugged.filter(({ id }) => id !== device.id);
    },
    plug: async (which) => {
      const device = deviceNamed(which);
      if (vm) await plugDevice(device);
      plugged.push(device);
    },
    forward: async (guestPort) => {
      const port = forwards.get(guestPort) ?? (await forwardPort(running().qmp, guestPort));
      forwards.set(guestPort, port);
      return port;
    },
    lastArgs: () => latest?.args ?? [],
    consoleText: async () => (existsSync(consoleLog(dir)) ? await readFile(consoleLog(dir), 'utf8') : ''),
    dispose: async () => {
      over.abort(new Failure(`${name} is gone: its test is over`));
      await Promise.allSettled(underWay);
      await cut();
      await rm(dir, { recursive: true, force: true });
    },
  };
  const guest = guestVerbs(lab.accel, name, running, () => patience);
  const faults = faultVerbs(running, deviceNamed);
  const machine: Machine = {
    ...lifecycle,
    ...guest,
    ...faults,
    ...hardshipVerbs(guest, { crash: lifecycle.crash, corrupt: faults.corrupt }),
    ...savedVerbs(running, { disks: () => plugged, awake: () => wake(lab, running()) }),
  };
  return machine;
}

function isReboot(error: unknown): boolean {
  return error instanceof Failure && /the machine is off|channel is closed/.test(error.message);
}

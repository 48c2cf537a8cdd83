import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../../sdk/lib/errors.ts';
import type { IgnitionConfig } from '../guest/ignition.ts';
import { indent } from '../qemu/console.ts';
import { type Device, portName } from '../qemu/devices.ts';
import { pullOut } from '../qemu/hotplug.ts';
import { consoleLog, STICK_SLOT } from '../qemu/qemu-args.ts';
import { Unforkable, type Vm } from '../qemu/vm.ts';
import { anySignal, seconds } from '../qemu/wait.ts';
import { greet, ignitionText, setClock, waitStarted } from './boot.ts';
import type { Lab } from './lab.ts';

/*
 * Forks of the initrd. A machine without a config prints a line on its console, and looks for a stick for five more
 * seconds (script first-boot of the initrd). At that line it is stopped and saved. A fork continues and finds a stick,
 * as if an owner had plugged it in.
 */

/** The line at which a machine is stopped, or the login prompt of a machine whose image has a config. */
const LOOKING = /machine config: none yet, looking for a stick| login: /;
/** The line of a machine that has stopped looking for a config. Nobody can log in to it. */
const FOUND_NONE = /machine config: none\n/;
/** A machine must be stopped within this time after that line, because its forks need the rest of the five seconds. */
const LATEST_MS = 2_000;
const UNPLUG_SECONDS = 20;

/** A busy host has stopped a machine too late. Another attempt may succeed. */
export class TooLate extends Failure {}

/** Waits until a machine looks for its config, and stops it. Returns the reason if it cannot be forked. */
export async function stopAtConfig(lab: Lab, vm: Vm, dir: string): Promise<Failure | undefined> {
  try {
    const patience = { timeoutMs: 60_000 * lab.accel.slowness, signal: vm.lost };
    const [said] = await vm.console.waitFor(LOOKING, patience);
    if (said.endsWith('login: ')) return new Failure(`${lab.image.image} has a machine config in its image`);
  } catch (error) {
    if (!(error instanceof Failure) || vm.lost.aborted) throw error;
    return new Failure(`the initrd does not look for a stick: ${error.message}`);
  }
  await vm.qmp.execute('stop');
  const late = Date.now() - (await stat(consoleLog(dir))).mtimeMs;
  if (late > LATEST_MS || FOUND_NONE.test(vm.console.text()))
    return new TooLate(`the initrd was stopped ${seconds(late)} after it began to look for a stick`);
  return undefined;
}

/** A small FAT disk labelled IGNITION in the port that is reserved for it. QEMU makes the disk from a folder (vvfat). */
export async function configStick(dir: string, config: IgnitionConfig): Promise<Device> {
  const folder = join(dir, 'stick');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, 'ignition.ign'), ignitionText(config));
  const id = 'config-stick';
  return {
    id,
    device: { driver: 'virtio-blk-pci', id, drive: id, bus: portName(STICK_SLOT), serial: id },
    blockdevs: [{ 'node-name': id, driver: 'vvfat', dir: folder, label: 'IGNITION', 'read-only': true }],
  };
}

/**
 * Waits until a fork of the initrd has read its config and its boot has ended. Sets its clock, which stopped with the
 * snapshot, as soon as it answers. Then the stick is pulled out. Throws `Unforkable` if the fork missed its config.
 */
export async function waitFirstBoot(lab: Lab, vm: Vm, stick: Device): Promise<void> {
  const missed = new AbortController();
  const forget = vm.console.onOutput(() => {
    const text = vm.console.text();
    if (FOUND_NONE.test(text))
      missed.abort(new Unforkable(`the fork did not see its config\n${indent(vm.console.tail(5))}`));
  });
  try {
    await greet(lab, vm, anySignal(vm.lost, missed.signal));
  } finally {
    forget();
  }
  await setClock(lab, vm);
  await waitStarted(lab, vm);
  const limits = { timeoutMs: UNPLUG_SECONDS * 1000 * lab.accel.slowness, signal: vm.lost };
  await pullOut(vm.qmp, stick, limits);
  await forgetStick(stick);
}

async function forgetStick({ blockdevs: [node] }: Device): Promise<void> {
  await rm(String(node?.dir), { recursive: true, force: true });
}

import { readFile, writeFile } from 'node:fs/promises';
import { Failure } from '../../../sdk/lib/errors.ts';
import { directBoot } from '../qemu/direct.ts';
import { forwardPort } from '../qemu/forward.ts';
import { startVm, type Vm, type VmStart } from '../qemu/vm.ts';
import { artifactOrigin, createFiles, devicesOf, hardwareOf } from './boot.ts';
import { netbootDevices, withHttpBoot } from './netboot.ts';
import type { MachineState } from './state.ts';

/** Starts QEMU on the machine's files. The machine boots, or continues a saved state. */
export async function power(
  machine: MachineState,
  how: Pick<VmStart, 'incoming' | 'plug'> = {},
): Promise<Vm> {
  return await machine.whileThere(async () => {
    const { lab, dir, over, forwards, options } = machine;
    if (machine.gone) throw machine.gone;
    if (machine.vm) throw new Failure(`${options.name} is on already`);
    const hardware = await hardwareNow(machine, how.incoming !== undefined);
    const started = await startVm(lab.emulator, hardware, dir, { ...how, signal: over.signal });
    machine.vm = started;
    machine.latest = started;
    void started.ended.then(() => {
      // A verb that turns the machine off unsets `vm` first.
      if (machine.vm !== started) return;
      machine.vm = undefined;
      machine.gone = started.lost.reason as Failure;
    });
    for (const [guestPort, hostPort] of forwards) await forwardPort(started.qmp, guestPort, hostPort);
    return started;
  });
}

async function hardwareNow(
  { lab, options: { name, plan }, files, firmware, network, plugged }: MachineState,
  incoming: boolean,
) {
  if (!files) throw new Failure(`${name} has no files`);
  // A forked machine has booted through UEFI.
  const kind = incoming ? 'uefi' : firmware;
  if (network?.by === 'http')
    await writeFile(files.firmwareVars, withHttpBoot(await readFile(lab.emulator.ovmfVars), network.url));
  return {
    ...hardwareOf(lab, { ...plan, firmware: kind }, files, {
      name,
      devices: network ? netbootDevices(plugged, network) : plugged,
      incoming,
      ...(kind === 'none' ? { direct: await directBoot(lab.image) } : {}),
    }),
    ...(network ? { bios: network.by === 'ipxe' } : {}),
  };
}

/** Powers a machine on, from its disks if they exist, else from the artifact. `config` replaces that of its plan. */
export async function powerOn(machine: MachineState, config = machine.options.plan.config): Promise<void> {
  if (!machine.files) {
    const { lab, dir, options } = machine;
    const { number, networks } = options;
    const plan = { ...options.plan, config };
    machine.files = await machine.whileThere(() => createFiles(lab, plan, dir, artifactOrigin(lab)));
    machine.devices = devicesOf(plan, machine.files, number, networks);
    machine.plugged = [...machine.devices.cold, ...machine.devices.hot];
  }
  await power(machine);
}

/** Ends QEMU at once. */
export async function cut(machine: MachineState): Promise<void> {
  const last = machine.vm;
  machine.vm = undefined;
  await last?.kill();
}

import { Failure } from '../../../sdk/lib/errors.ts';
import type { IgnitionConfig } from '../guest/ignition.ts';
import { type Network, openNetwork } from '../qemu/network.ts';
import { newMachineDir } from '../qemu/rundir.ts';
import { allEnded } from '../qemu/wait.ts';
import type { Lab } from './lab.ts';
import { createMachine, type Machine } from './machine.ts';
import { type MachineSpec, type Plan, planMachine } from './spec.ts';

/** The machines of a test, before any check. */
export interface ClusterSpec<Name extends string = string> {
  /** Name of the test, for errors. */
  readonly name: string;
  /** Default `{box: {}}`. */
  readonly machines?: Readonly<Record<Name, MachineSpec>>;
  /** Config of machines without their own one. */
  readonly config?: IgnitionConfig;
}

/** Checks the machines of a test, and makes their plans. */
export function planCluster({ name, machines, config }: ClusterSpec): ReadonlyMap<string, Plan> {
  const specs = Object.entries(machines ?? { box: {} });
  return new Map(
    specs.map(([machine, spec]) => [
      machine,
      planMachine(
        { ...spec, ...(spec.config === undefined && config !== undefined ? { config } : {}) },
        `${name}, machine ${machine}`,
      ),
    ]),
  );
}

/** The machines of a test, by their names. They exist until `dispose`. */
export interface RunningCluster {
  readonly machines: Readonly<Record<string, Machine>>;
  dispose(): Promise<void>;
}

/**
 * Makes the machines of a test and their networks. `prepare` makes the snapshots for forks; `start` powers all machines
 * on at the same time.
 */
export async function createCluster(
  lab: Lab,
  plans: ReadonlyMap<string, Plan>,
): Promise<RunningCluster & { prepare(): Promise<void>; start(): Promise<void> }> {
  const networks = new Map<string, Network>();
  const machines: Record<string, Machine> = {};
  const dispose = async (): Promise<void> => {
    // Close all networks, even after an error, because a listening socket keeps the process alive.
    const ends = [
      ...(await Promise.allSettled(Object.values(machines).map((machine) => machine.dispose()))),
      ...(await Promise.allSettled([...networks.values()].map((network) => network.close()))),
    ];
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  };
  const socketOf = (name: string): string => {
    const network = networks.get(name);
    if (!network) throw new Failure(`there is no network ${name}`);
    return network.socket;
  };
  try {
    const names = [...new Set([...plans.values()].flatMap(({ nics }) => nics.map(({ network }) => network)))];
    for (const name of names.filter((network) => network !== 'user'))
      networks.set(name, await openNetwork(await newMachineDir(), name));
    let number = 0;
    for (const [name, plan] of plans) {
      number += 1;
      machines[name] = await createMachine(lab, { name, number, plan, networks: socketOf });
    }
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    machines,
    prepare: async () => {
      await Promise.all(Object.values(machines).map((machine) => machine.prepare()));
    },
    start: async () => {
      const wanted = Object.values(machines).filter(({ plan }) => plan.start !== 'off');
      await allEnded(wanted.map((machine) => machine.start()));
      if (plans.size > 1) await Promise.all(wanted.map(individualize));
    },
    dispose,
  };
}

/** Forks of one ready machine are identical. Machines on one network need different names and machine-ids (machine-id(5)). */
async function individualize(machine: Machine): Promise<void> {
  await machine.succeed(`
    set -e
    echo ${machine.name} >/etc/hostname
    hostname ${machine.name}`);
  if (machine.plan.start !== 'fork') return;
  // systemd-machine-id-setup prefers the id in /run to a new one (systemd 256 and later).
  await machine.succeed(`
    set -e
    rm -f /run/machine-id
    : >/etc/machine-id
    systemd-machine-id-setup
    systemctl restart systemd-journald.service systemd-networkd.service`);
}

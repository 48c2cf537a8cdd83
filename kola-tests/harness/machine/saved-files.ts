import { join } from 'node:path';
import type { DiskFile } from '../qemu/devices.ts';
import { consoleLog } from '../qemu/qemu-args.ts';
import { artifactOrigin, type Origin } from './boot.ts';
import type { Lab } from './lab.ts';
import type { Plan } from './spec.ts';

/** A saved machine: its memory, its device state and its disks. */
export interface Snapshot extends Origin {
  readonly key: string;
  readonly dir: string;
  /** Memory and devices, for `migrate-incoming`. */
  readonly state: string;
  readonly console: string;
}

/** The paths of a snapshot's files. */
export function snapshotAt(lab: Lab, plan: Plan, dir: string, key: string): Snapshot {
  const overlay = (name: string, backing?: DiskFile): DiskFile => ({
    path: join(dir, name),
    format: 'qcow2',
    ...(backing ? { backing } : {}),
  });
  return {
    key,
    dir,
    state: join(dir, 'state'),
    console: consoleLog(dir),
    firmwareVars: join(dir, 'vars.fd'),
    system: overlay('system.qcow2', artifactOrigin(lab).system),
    disks: new Map(
      plan.disks
        .filter(({ size }) => size !== undefined)
        .map(({ name }) => [name, overlay(`disk-${name}.qcow2`)]),
    ),
  };
}

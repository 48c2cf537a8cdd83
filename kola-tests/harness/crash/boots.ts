import { AssertionError } from 'node:assert';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../../sdk/lib/errors.ts';
import { createCluster, planCluster } from '../machine/cluster.ts';
import type { Lab } from '../machine/lab.ts';
import type { Machine } from '../machine/machine.ts';
import type { Region } from './disk.ts';
import type { Flow } from './flow.ts';
import { type Recording, statesAt, writeOut } from './survey.ts';

/** Number of states that are booted at the same time. A machine under emulation has one processor. */
const BOOTS_AT_ONCE = 2;

interface Booting {
  readonly dir: string;
  said(line: string): void;
  readonly flow: Pick<Flow, 'settles' | 'comesUp'>;
}

/**
 * Boots machines from states of a recording, each from its own disk. Returns a reason for each machine that did not
 * come up.
 */
export async function bootStates(
  lab: Lab,
  recording: Recording,
  numbers: readonly number[],
  options: Booting,
): Promise<string[]> {
  const boots: Promise<string | undefined>[] = [];
  const underWay = new Set<Promise<unknown>>();
  try {
    for (const { number, disk } of statesAt(recording, numbers)) {
      if (underWay.size === BOOTS_AT_ONCE) await Promise.race(underWay);
      const path = join(options.dir, `state-${number}.raw`);
      writeOut(disk, { offset: 0, length: recording.base.size }, path);
      const boot = bootState(lab, { number, path }, options);
      const over: Promise<unknown> = boot.then(
        () => underWay.delete(over),
        () => underWay.delete(over),
      );
      underWay.add(over);
      boots.push(boot);
    }
    return (await Promise.all(boots)).filter((why) => why !== undefined);
  } finally {
    await Promise.allSettled(boots);
  }
}

/** Boots one state. Returns the reason if it did not come up. */
async function bootState(
  lab: Lab,
  { number, path }: { readonly number: number; readonly path: string },
  { said, flow }: Booting,
): Promise<string | undefined> {
  const start = performance.now();
  try {
    const usr = await bootOne({ ...lab, disk: { ...lab.disk, path }, forks: false }, flow);
    said(`state ${number} boots ${usr.slice(0, 12)} in ${Math.round((performance.now() - start) / 1000)} s`);
    return undefined;
  } catch (error) {
    if (!(error instanceof Failure || error instanceof AssertionError)) throw error;
    const why = `state ${number} does not come up: ${error.message}`;
    said(why);
    return why;
  } finally {
    await rm(path, { force: true });
  }
}

/** Boots the machine. Returns the root hash of its /usr. */
async function bootOne(lab: Lab, flow: Booting['flow']): Promise<string> {
  const plan = planCluster({ name: 'crash.boot', machines: { box: { start: 'fresh' } } });
  const cluster = await createCluster(lab, plan);
  try {
    const { box } = cluster.machines;
    if (!box) throw new Failure('there is no machine');
    await comesUp(box);
    await flow.settles?.(box);
    const state = await box.succeed('systemctl is-system-running || systemctl --failed --no-legend');
    if (state !== 'running') throw new Failure(state);
    await flow.comesUp?.(box);
    return await box.succeed("dmsetup table usr | cut -d ' ' -f 12");
  } finally {
    await cluster.dispose();
  }
}

/** The machine may reject a release on trial and boot the previous one. Each try of the trial is a restart. */
const RESTARTS = 4;

async function comesUp(box: Machine): Promise<void> {
  for (let restarts = 0; ; restarts += 1) {
    try {
      return await box.start();
    } catch (error) {
      const ended = box.gone()?.message;
      if (ended !== 'the guest rebooted' || restarts === RESTARTS) throw error;
      await box.goesDown('reboot');
    }
  }
}

/** Number of state partitions that one machine checks. */
const AT_ONCE = 4;

/**
 * Mounts state partitions in the way of a boot (fsck, then the kernel, which replays the journal), and then checks the
 * file systems. Returns the faults, each with its partition.
 */
export async function checkStatePartitions(
  lab: Lab,
  recording: Recording,
  states: ReadonlyMap<number, Region>,
  dir: string,
): Promise<string[]> {
  const wrong: string[] = [];
  const numbers = [...states.keys()].sort((a, b) => a - b);
  const files: StateFile[] = [];
  for (const { number, disk } of statesAt(recording, numbers)) {
    const path = join(dir, `partition-${number}.raw`);
    const region = states.get(number)!;
    writeOut(disk, region, path);
    files.push({ number, path, size: Math.ceil(region.length / 2 ** 20) });
  }
  for (let at = 0; at < files.length; at += AT_ONCE) {
    const some = files.slice(at, at + AT_ONCE);
    wrong.push(...(await checkSome(lab, some)));
    for (const { path } of some) await rm(path);
  }
  return wrong;
}

interface StateFile {
  readonly number: number;
  readonly path: string;
  /** MiB. */
  readonly size: number;
}

async function checkSome(lab: Lab, files: readonly StateFile[]): Promise<string[]> {
  const disks = files.map(({ number, path, size }) => ({ name: `state${number}`, size, over: path }));
  const cluster = await createCluster(lab, planCluster({ name: 'crash.fsck', machines: { box: { disks } } }));
  try {
    await cluster.start();
    const { box } = cluster.machines;
    if (!box) throw new Failure('there is no machine');
    const wrong: string[] = [];
    for (const { number } of files) {
      const device = box.disk(`state${number}`);
      const { code, stdout, stderr } = await box.execute(
        `set -e
         fsck.ext4 -p ${device} || [ $? -eq 1 ]
         mount -t ext4 ${device} /mnt && umount /mnt
         fsck.ext4 -f -n ${device}`,
        { seconds: 60 },
      );
      if (code !== 0) wrong.push(`the state partition of state ${number}: ${stdout}${stderr}`);
    }
    return wrong;
  } finally {
    await cluster.dispose();
  }
}

import { randomBytes } from 'node:crypto';
import { Failure } from '../../../sdk/lib/errors.ts';
import type { Device } from '../qemu/devices.ts';
import type { Vm } from '../qemu/vm.ts';
import { anySignal } from '../qemu/wait.ts';

/** Verbs that save the state of a machine, and restore it within the test. */
export interface SavedVerbs {
  /**
   * Saves the state of the running machine: memory, devices and disks. The machine continues. Returns a name for
   * `restore`.
   * @example const before = await box.snapshot()
   */
  snapshot(): Promise<string>;
  /**
   * Returns to a state of `snapshot`. The same devices must be plugged as then. The guest's clock is set to
   * the present.
   * @example await box.restore(before)
   */
  restore(snapshot: string): Promise<void>;
}

const LIMIT_MS = 120_000;

/** Internal snapshots of qcow2 (QAPI: snapshot-save, snapshot-load): of every disk that the machine writes to. */
export function savedVerbs(
  vm: () => Vm,
  { disks, awake }: { disks(): readonly Device[]; awake(): Promise<void> },
): SavedVerbs {
  const nodes = (): { vmstate: string; devices: string[] } => {
    const devices = disks().flatMap(({ blockdevs }) => {
      const top = blockdevs.at(-1);
      return top && top.driver === 'qcow2' ? [top['node-name']] : [];
    });
    const [vmstate] = devices;
    if (vmstate === undefined) throw new Failure('a machine without a writable disk cannot be saved');
    return { vmstate, devices };
  };

  async function job(command: string, tag: string): Promise<void> {
    const { qmp, lost } = vm();
    const id = `job-${randomBytes(4).toString('hex')}`;
    const concluded = qmp.nextEvent(
      ({ event, data }) => event === 'JOB_STATUS_CHANGE' && data?.id === id && data.status === 'concluded',
      `${command} ${tag}`,
      { timeoutMs: LIMIT_MS, signal: anySignal(lost) },
    );
    concluded.catch(() => {}); // read below, unless the command itself is refused
    await qmp.execute(command, { 'job-id': id, tag, ...nodes() });
    await concluded;
    const jobs = await qmp.execute<{ id: string; error?: string }[]>('query-jobs');
    await qmp.execute('job-dismiss', { id });
    const error = jobs.find((each) => each.id === id)?.error;
    if (error !== undefined) throw new Failure(`${command} failed: ${error}`);
  }

  return {
    snapshot: async () => {
      const tag = `kola-${randomBytes(4).toString('hex')}`;
      await job('snapshot-save', tag);
      await vm().qmp.execute('cont');
      return tag;
    },
    restore: async (snapshot) => {
      await vm().qmp.execute('stop');
      await job('snapshot-load', snapshot);
      await vm().qmp.execute('cont');
      await awake();
    },
  };
}

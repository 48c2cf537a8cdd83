import { Failure } from '../../../sdk/lib/errors.ts';
import { type Agent, openAgent } from './agent.ts';
import { type GuestConsole, openConsole } from './console.ts';
import type { Device } from './devices.ts';
import type { Emulator } from './emulator.ts';
import { plugIn } from './hotplug.ts';
import { type Hardware, qemuArguments, sockets } from './qemu-args.ts';
import { connectQmp, type Qmp } from './qmp.ts';
import { connectUnix } from './socket.ts';
import { type ProcessEnd, supervise } from './supervise.ts';
import { Trouble } from './trouble.ts';
import { anySignal, within } from './wait.ts';

/** A running QEMU with its three connections. */
export interface Vm {
  readonly qmp: Qmp;
  readonly console: GuestConsole;
  readonly agent: Agent;
  /** QEMU's arguments, without those of the tool tree's linker. */
  readonly args: readonly string[];
  /** Aborted with a Failure as soon as the guest is lost: the end of QEMU, a kernel panic, or emergency mode. */
  readonly lost: AbortSignal;
  readonly ended: Promise<ProcessEnd>;
  /**
   * `reboot` or `poweroff` if the guest itself ended it in order. Undefined while it runs, and after any other end,
   * also after a panic during a shutdown.
   */
  wentDown(): Down | undefined;
  /** Ends QEMU at once: in order, so that its disk files are complete, or like a power cut (`kill`). */
  quit(): Promise<void>;
  kill(): Promise<void>;
}

/** The two ways in which a guest ends. Both end QEMU (see `reboot=shutdown` in qemu-args.ts). */
export type Down = 'reboot' | 'poweroff';

const CONNECT_MS = 30_000;
/** Limit for writing a machine's memory or its disks to the host's disk, or for reading them. It may be slow and busy. */
const SAVE_MS = 180_000;

/** A saved machine cannot be continued: its state is truncated, or belongs to another kind of machine. */
export class Unforkable extends Failure {}

/** Options for the start of a VM. */
export interface VmStart {
  /** A saved state to restore and continue instead of a boot. Throws `Unforkable`. */
  readonly incoming?: string | undefined;
  /** Devices to plug in before a restored guest continues. Throws `Unpluggable`. */
  readonly plug?: readonly Device[];
  /** Aborts the start. */
  readonly signal?: AbortSignal;
}

/** Starts QEMU. */
export async function startVm(
  emulator: Emulator,
  hardware: Hardware,
  dir: string,
  { incoming, plug = [], signal }: VmStart = {},
): Promise<Vm> {
  const args = qemuArguments(hardware, dir, emulator);
  const lost = new AbortController();
  signal?.throwIfAborted();
  const qemu = await supervise(emulator.system(args), dir);
  let console: GuestConsole | undefined;
  let killed = false;
  let asked: Down | undefined;
  let down: Down | undefined;
  void qemu.ended.then((end) => {
    // The reset after a panic was not requested. The panic may not be reported yet.
    const doom = console?.doom();
    if (!lost.signal.aborted && !doom && !killed) down = asked;
    lost.abort(doom ?? new Failure(meaning(end, killed, asked)));
  });
  const kill = async (): Promise<void> => {
    killed = true;
    await qemu.kill();
  };
  try {
    const patience = { timeoutMs: CONNECT_MS, signal: anySignal(lost.signal, signal) };
    const paths = sockets(dir);
    const qmp = await connectQmp(paths.qmp, patience).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw new Trouble(`QEMU does not start: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    });
    qmp.onEvent(({ event, data }) => {
      if (event === 'SHUTDOWN' && data?.guest === true)
        asked = data.reason === 'guest-reset' ? 'reboot' : 'poweroff';
      if (event === 'BLOCK_IO_ERROR' && data?.action === 'stop') lost.abort(stopped(data));
    });
    const opened = openConsole(await connectUnix(paths.console, patience), (failure) => lost.abort(failure));
    console = opened;
    const agent = openAgent(await connectUnix(paths.agent, patience));
    if (incoming !== undefined) await restore(qmp, incoming, plug, patience.signal);
    return {
      qmp,
      console: opened,
      agent,
      args,
      lost: lost.signal,
      ended: qemu.ended,
      wentDown: () => down,
      kill,
      quit: async () => {
        killed = true;
        await qmp.execute('quit').catch((error: unknown) => {
          if (!qmp.closed.aborted) throw error; // closing the connection is how it answers
        });
        await within(qemu.ended, 'the end of QEMU', { timeoutMs: SAVE_MS }).finally(kill);
      },
    };
  } catch (error) {
    await kill();
    throw error;
  }
}

function meaning({ code, signal, output }: ProcessEnd, killed: boolean, asked: Down | undefined): string {
  if (killed || asked === 'poweroff') return 'the machine is off';
  if (asked === 'reboot') return 'the guest rebooted';
  const said = output.trim();
  return `QEMU ended (${signal ?? `exit ${code}`})${said ? `: ${said}` : ''}`;
}

/**
 * QEMU stops a guest if the host has no room for its disk (`werror=enospc`). Without this error the test would wait for
 * ever.
 */
function stopped(data: Readonly<Record<string, unknown>>): Trouble {
  const where = String(data['node-name'] || data.device);
  return new Trouble(
    `QEMU stopped the machine, its disk ${where} cannot be written to: ${String(data.reason)}`,
    {
      hint: 'make room where TMPDIR is on this host',
    },
  );
}

/**
 * Gives every page of memory a fixed place in the file, so that it is written and read once
 * (docs/devel/migration/mapped-ram of QEMU).
 */
async function mappedRam(qmp: Qmp, state: boolean): Promise<void> {
  await qmp.execute('migrate-set-capabilities', {
    capabilities: [
      { capability: 'mapped-ram', state },
      { capability: 'events', state: true },
    ],
  });
}

/** Bytes a second, so large that there is no limit. The default is 128 MiB. */
const UNLIMITED = 2 ** 40;

/** Stops the guest and saves its memory and devices to a file. */
export async function saveState(qmp: Qmp, path: string): Promise<void> {
  await qmp.execute('stop');
  await mappedRam(qmp, true);
  await qmp.execute('migrate-set-parameters', { 'max-bandwidth': UNLIMITED });
  await migrated(qmp, () => qmp.execute('migrate', { uri: `file:${path}` }), undefined);
}

async function restore(qmp: Qmp, path: string, plug: readonly Device[], signal: AbortSignal): Promise<void> {
  await mappedRam(qmp, true);
  try {
    await migrated(qmp, () => qmp.execute('migrate-incoming', { uri: `file:${path}` }), signal);
  } catch (error) {
    // QEMU may end instead of answering.
    if (!(error instanceof Failure)) throw error;
    throw new Unforkable(error.message, { where: path, cause: error });
  }
  await mappedRam(qmp, false); // Snapshots inside a disk (saved.ts) do not support that.
  for (const device of plug) await plugIn(qmp, device);
  await qmp.execute('cont');
}

async function migrated(
  qmp: Qmp,
  begin: () => Promise<unknown>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const end = qmp.nextEvent(
    ({ event, data }) => event === 'MIGRATION' && (data?.status === 'completed' || data?.status === 'failed'),
    'the machine’s saved state',
    { timeoutMs: SAVE_MS, signal: anySignal(signal) },
  );
  end.catch(() => {}); // read below, unless `begin` fails first
  await begin();
  if ((await end).data?.status !== 'failed') return;
  const { 'error-desc': why } = await qmp.execute<{ 'error-desc'?: string }>('query-migrate');
  throw new Failure(`QEMU cannot save or restore this machine: ${why ?? 'it gives no reason'}`);
}

import { Failure } from '../../sdk/lib/errors.ts';
import { type Agent, openAgent } from './agent.ts';
import { type GuestConsole, openConsole } from './console.ts';
import type { Emulator } from './emulator.ts';
import { type Hardware, qemuArguments, sockets } from './qemu-args.ts';
import { connectQmp, type Qmp } from './qmp.ts';
import { connectUnix } from './socket.ts';
import { type ProcessEnd, supervise } from './supervise.ts';
import { anySignal, within } from './wait.ts';

/** One running QEMU with its three connections. */
export interface Vm {
  readonly qmp: Qmp;
  readonly console: GuestConsole;
  readonly agent: Agent;
  /** QEMU's arguments, without the way the tool is run. */
  readonly args: readonly string[];
  /** Aborted with a Failure as soon as nothing can be expected of the guest: QEMU ended, kernel panic, emergency mode. */
  readonly lost: AbortSignal;
  readonly ended: Promise<ProcessEnd>;
  /** Ends QEMU in good order (its disk files are complete), at once (`kill`: like a power cut). */
  quit(): Promise<void>;
  kill(): Promise<void>;
}

const CONNECT_MS = 30_000;

/** Starts QEMU. With `incoming`, restores that saved state and lets the guest run. */
export async function startVm(
  emulator: Emulator,
  hardware: Hardware,
  dir: string,
  incoming?: string,
): Promise<Vm> {
  const args = qemuArguments(hardware, dir, emulator);
  const lost = new AbortController();
  const qemu = await supervise(emulator.system(args), dir);
  let meant: string | undefined;
  void qemu.ended.then(({ code, signal, output }) => {
    const how = signal ?? `exit ${code}`;
    const said = output.trim();
    lost.abort(new Failure(meant ?? `QEMU ended (${how})${said ? `: ${said}` : ''}`));
  });
  const kill = async (): Promise<void> => {
    meant ??= 'the machine is off';
    await qemu.kill();
  };
  try {
    const patience = { timeoutMs: CONNECT_MS, signal: lost.signal };
    const paths = sockets(dir);
    const qmp = await connectQmp(paths.qmp, patience);
    qmp.onEvent(({ event, data }) => {
      // What the guest or the harness asked for; QEMU's own end otherwise speaks for itself.
      if (event !== 'SHUTDOWN') return;
      if (data?.reason === 'guest-reset') meant = 'the guest rebooted';
      else if (data?.guest === true || data?.reason === 'host-qmp-quit') meant = 'the machine is off';
    });
    const console = openConsole(await connectUnix(paths.console, patience), (failure) => lost.abort(failure));
    const agent = openAgent(await connectUnix(paths.agent, patience));
    if (incoming !== undefined) await restore(qmp, incoming, lost.signal);
    return {
      qmp,
      console,
      agent,
      args,
      lost: lost.signal,
      ended: qemu.ended,
      kill,
      quit: async () => {
        meant = 'the machine is off';
        await qmp.execute('quit').catch((error: unknown) => {
          if (!qmp.closed.aborted) throw error; // closing the connection is how it answers
        });
        await within(qemu.ended, 'the end of QEMU', { timeoutMs: 10_000 }).finally(kill);
      },
    };
  } catch (error) {
    await kill();
    throw error;
  }
}

/** Every page of memory has its place in the file, so that it is written and read once: docs/devel/migration/mapped-ram of QEMU. */
async function mappedRam(qmp: Qmp, state: boolean): Promise<void> {
  await qmp.execute('migrate-set-capabilities', {
    capabilities: [
      { capability: 'mapped-ram', state },
      { capability: 'events', state: true },
    ],
  });
}

/** Bytes a second, which a file needs no regard for; the default is 128 MiB. */
const UNLIMITED = 2 ** 40;

/** Stops the guest and saves its memory and devices to a file. */
export async function saveState(qmp: Qmp, path: string): Promise<void> {
  await qmp.execute('stop');
  await mappedRam(qmp, true);
  await qmp.execute('migrate-set-parameters', { 'max-bandwidth': UNLIMITED });
  await migrated(qmp, () => qmp.execute('migrate', { uri: `file:${path}` }), undefined);
}

async function restore(qmp: Qmp, path: string, signal: AbortSignal): Promise<void> {
  await mappedRam(qmp, true);
  await migrated(qmp, () => qmp.execute('migrate-incoming', { uri: `file:${path}` }), signal);
  await mappedRam(qmp, false); // snapshots inside a disk (saved.ts) have no such places
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
    { timeoutMs: 60_000, signal: anySignal(signal) },
  );
  end.catch(() => {}); // read below, unless `begin` fails first
  await begin();
  if ((await end).data?.status !== 'failed') return;
  const { 'error-desc': why } = await qmp.execute<{ 'error-desc'?: string }>('query-migrate');
  throw new Failure(`QEMU cannot save or restore this machine: ${why ?? 'it does not say why'}`);
}

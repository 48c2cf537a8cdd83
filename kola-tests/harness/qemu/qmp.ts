import type { Socket } from 'node:net';
import { Failure } from '../../../sdk/lib/errors.ts';
import { lineSplitter } from './lines.ts';
import { connectUnix } from './socket.ts';
import { anySignal, type Patience, within } from './wait.ts';

/** An event of QEMU's Machine Protocol, e.g. `{event: 'RESET', data: {guest: true, reason: 'guest-reset'}}`. */
export interface QmpEvent {
  readonly event: string;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly timestamp: { readonly seconds: number; readonly microseconds: number };
}

/** A connection to QEMU's monitor (docs/interop/qmp-spec.rst of QEMU). */
export interface Qmp {
  /** `major.minor.micro` of the greeting. */
  readonly version: string;
  /** Aborted when the connection ends; the reason says so. */
  readonly closed: AbortSignal;
  /** Runs a command. An error answer is a Failure with QEMU's message. Default timeout 30 s. */
  execute<R = unknown>(command: string, args?: object, timeoutMs?: number): Promise<R>;
  /**
   * Runs a command of the human monitor, for the few that QMP lacks (`hostfwd_add`). The result is its text, also for
   * errors.
   */
  human(line: string): Promise<string>;
  /** Calls `listener` for each event until the returned function is called. */
  onEvent(listener: (event: QmpEvent) => void): () => void;
  /** Waits for the next event that `matches`. Call it before you cause the event. */
  nextEvent(matches: (event: QmpEvent) => boolean, what: string, patience: Patience): Promise<QmpEvent>;
  close(): void;
}

interface Answer {
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
}

const DEFAULT_TIMEOUT_MS = 30_000;

/** Connects, reads the greeting and ends the negotiation of capabilities. */
export async function connectQmp(path: string, patience: Patience): Promise<Qmp> {
  return await openQmp(await connectUnix(path, patience), patience);
}

/** The same as `connectQmp`, over a connected socket. */
async function openQmp(socket: Socket, patience: Patience): Promise<Qmp> {
  const pending = new Map<
    number,
    { resolve(value: unknown): void; reject(reason: unknown): void; command: string }
  >();
  const closed = new AbortController();
  const events = eventHub(closed.signal);
  let lastId = 0;
  let greet: (version: string) => void;
  const greeting = new Promise<string>((resolve) => {
    greet = resolve;
  });

  function end(reason: Failure): void {
    if (closed.signal.aborted) return;
    closed.abort(reason);
    for (const { reject, command } of pending.values()) {
      reject(new Failure(`QMP ${command}: ${reason.message}`, { cause: reason }));
    }
    pending.clear();
    socket.destroy();
  }

  function receive(line: string): void {
    if (line.trim() === '') return;
    const message = parseMessage(line);
    if (message === undefined) end(new Failure(`QEMU sent a line that is not QMP: ${line.slice(0, 200)}`));
    else if ('QMP' in message) greet(greetingVersion(message.QMP));
    else if ('event' in message) events.tell(message as unknown as QmpEvent);
    else settle(message as Answer);
  }

  function settle({ id, error, return: value }: Answer): void {
    const call = id === undefined ? undefined : pending.get(id);
    if (id === undefined || !call) return;
    pending.delete(id);
    if (error) call.reject(new Failure(`QMP ${call.command}: ${error.desc}`, { where: error.class }));
    else call.resolve(value);
  }

  socket.on('data', lineSplitter(receive, 64 << 20));
  socket.on('error', (error) => end(new Failure(`connection lost (${error.message})`)));
  socket.on('close', () => end(new Failure('connection closed by QEMU')));

  async function execute<R>(command: string, args?: object, timeoutMs = DEFAULT_TIMEOUT_MS): Promise<R> {
    closed.signal.throwIfAborted();
    lastId += 1;
    const id = lastId;
    const answer = new Promise<unknown>((resolve, reject) => pending.set(id, { resolve, reject, command }));
    socket.write(`${JSON.stringify({ execute: command, ...(args ? { arguments: args } : {}), id })}\n`);
    try {
      return (await within(answer, `QMP ${command}`, { timeoutMs })) as R;
    } finally {
      pending.delete(id);
    }
  }

  const version = await within(greeting, 'greeting of QMP', {
    ...patience,
    signal: anySignal(patience.signal, closed.signal),
  });
  await execute('qmp_capabilities', undefined, patience.timeoutMs);

  return {
    version,
    closed: closed.signal,
    execute,
    human: (line) => execute<string>('human-monitor-command', { 'command-line': line }),
    onEvent: events.onEvent,
    nextEvent: events.nextEvent,
    close: () => end(new Failure('connection closed')),
  };
}

/** Passes events to listeners. */
function eventHub(closed: AbortSignal): Pick<Qmp, 'onEvent' | 'nextEvent'> & { tell(event: QmpEvent): void } {
  const listeners = new Set<(event: QmpEvent) => void>();
  const onEvent = (listener: (event: QmpEvent) => void): (() => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  return {
    tell: (event) => {
      for (const listener of [...listeners]) listener(event);
    },
    onEvent,
    nextEvent: async (matches, what, wait) => {
      let forget = (): void => {};
      const event = new Promise<QmpEvent>((resolve) => {
        forget = onEvent((candidate) => {
          if (matches(candidate)) resolve(candidate);
        });
      });
      try {
        return await within(event, what, { ...wait, signal: anySignal(wait.signal, closed) });
      } finally {
        forget();
      }
    },
  };
}

function parseMessage(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function greetingVersion(greeting: unknown): string {
  const version = (greeting as { version?: { qemu?: Record<string, number> } }).version?.qemu;
  return version ? `${version.major}.${version.minor}.${version.micro}` : 'unknown';
}

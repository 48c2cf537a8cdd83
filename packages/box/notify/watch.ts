import { type Box, BoxError, describeError, folderOf, readTextIfThere } from '../io/box.ts';
import { choice, isoTime, list, member, parseDocument, string } from '../io/fields.ts';
import { type Condition, SEVERITIES } from './condition.ts';
import { conditionsOf } from './conditions.ts';
import { type NotifyConfig, readNotifyConfig, type Target } from './config.ts';
import { type Message, request, send } from './send.ts';

const STATE = '/var/lib/draisine/notify.json';
/** The state while the state partition cannot be written, e.g. because it is full. */
const FLEETING = '/run/draisine/notify.json';
const FORMAT = 1;
/** Number of messages that are kept for a receiver. Further ones are dropped, and that is reported. */
const KEPT = 50;
/** Failures of a receiver in one run before its other messages wait: it may refuse only one of them. */
const TRIES = 2;

interface Waiting extends Message {
  /** Receivers that have not got the message, by their index in the config. */
  readonly to: readonly number[];
}

interface Known {
  readonly name: string;
  readonly text: string;
  readonly event: boolean;
}

interface WatchState {
  /** Conditions that were reported. */
  readonly known: readonly Known[];
  readonly queue: readonly Waiting[];
}

const NEW: WatchState = { known: [], queue: [] };

function readWatchState(box: Box): WatchState {
  const text = readTextIfThere(box, FLEETING) ?? readTextIfThere(box, STATE);
  if (text === undefined) return NEW;
  try {
    const root = parseDocument(text, 'the state of notifications', STATE);
    if (member(root, 'format').value !== FORMAT) throw new BoxError('another format');
    return {
      known: list(member(root, 'known'), (one) => ({
        name: string(member(one, 'name')),
        text: string(member(one, 'text')),
        event: member(one, 'event').value === true,
      })),
      queue: list(member(root, 'queue'), (one) => ({
        severity: choice(member(one, 'severity'), SEVERITIES),
        text: string(member(one, 'text')),
        to: list(member(one, 'to'), (number) => Number(number.value)),
      })),
    };
  } catch (error) {
    // A repeated message is better than a lost one.
    box.log(
      'warning',
      `the state of notifications is lost, so all conditions are reported again: ${describeError(error)}`,
    );
    return NEW;
  }
}

function writeWatchState(box: Box, state: WatchState): void {
  const text = `${JSON.stringify({ format: FORMAT, ...state })}\n`;
  try {
    box.makeFolder(folderOf(STATE));
    box.writeFile(STATE, text, { mode: 0o600 });
    box.remove(FLEETING);
  } catch (error) {
    box.log('warning', `the state of notifications is kept until the next restart: ${describeError(error)}`);
    box.writeFile(FLEETING, text, { mode: 0o600, durable: false });
  }
}

/** Messages about new conditions, and about ended ones. */
export function messagesOf(known: readonly Known[], now: readonly Condition[]): Message[] {
  const before = new Set(known.map(({ name }) => name));
  const names = new Set(now.map(({ name }) => name));
  return [
    ...now.filter(({ name }) => !before.has(name)).map(({ severity, text }) => ({ severity, text })),
    ...known
      .filter(({ name, event }) => !event && !names.has(name))
      .map(({ text }): Message => ({ severity: 'info', text: `over: ${text}` })),
  ];
}

/** Receivers of this severity, and those who were told of a condition that has ended. */
function wants(targets: readonly Target[], { severity, text }: Message): number[] {
  const rank = (one: Message['severity']): number => SEVERITIES.indexOf(one);
  return targets.flatMap((target, index) =>
    rank(severity) >= rank(target.severity) || text.startsWith('over: ') ? [index] : [],
  );
}

function hostname(box: Box): string {
  return (readTextIfThere(box, '/etc/hostname') ?? '').trim() || 'draisine';
}

/**
 * Sends waiting messages in order. Failed ones are kept for the next time, because the network may be down.
 */
function flush(box: Box, { targets }: NotifyConfig, queue: readonly Waiting[]): Waiting[] {
  const host = hostname(box);
  const failures = targets.map(() => 0);
  return queue.flatMap((message): Waiting[] => {
    const left = message.to.filter((index) => {
      const target = targets[index];
      const failed = failures[index];
      if (target === undefined || failed === undefined) return false;
      if (failed >= TRIES) return true;
      const why = send(box, target, host, message);
      if (why === undefined) return false;
      failures[index] = failed + 1;
      box.log('warning', `a notification by ${target.kind} is kept for later: ${why}`);
      return true;
    });
    return left.length === 0 ? [] : [{ ...message, to: left }];
  });
}

/** For each receiver the first messages; instead of further ones, a message that there were some. */
function bounded(queue: readonly Waiting[]): Waiting[] {
  const counts = new Map<number, number>();
  const room = (index: number): boolean => {
    const count = (counts.get(index) ?? 0) + 1;
    counts.set(index, count);
    return count < KEPT;
  };
  const kept = queue.map((message) => ({ ...message, to: message.to.filter(room) }));
  const over = [...counts].filter(([, count]) => count >= KEPT).map(([index]) => index);
  const note = {
    severity: 'error' as const,
    text: 'more messages were dropped: see draisine health',
    to: over,
  };
  return [...kept, note].filter(({ to }) => to.length > 0);
}

/** Looks at the machine once, and reports new conditions. draisine-watch.timer calls it. */
export function watch(box: Box): void {
  const config = readNotifyConfig(box);
  if (config === undefined) return;
  const state = readWatchState(box);
  const now = conditionsOf(box);
  const fresh = messagesOf(state.known, now).map((message) => ({
    ...message,
    to: wants(config.targets, message),
  }));
  for (const { severity, text } of fresh) box.log(severity === 'info' ? 'notice' : severity, text);
  const queue = [...state.queue, ...fresh.filter(({ to }) => to.length > 0)];
  // Written before sending: a power cut in between costs a repeated message, not a lost one.
  const known = now.map(({ name, text, event = false }) => ({ name, text, event }));
  writeWatchState(box, { known, queue });
  if (queue.length > 0) writeWatchState(box, { known, queue: bounded(flush(box, config, queue)) });
  if (config.heartbeat !== undefined && !request(box, config.heartbeat))
    box.log('warning', 'the heartbeat could not be sent');
}

/** Sends a test message to every receiver. Returns the failures. */
export function testTargets(box: Box): { readonly sent: number; readonly faults: readonly string[] } {
  const config = readNotifyConfig(box);
  if (config === undefined)
    throw new BoxError('no receiver of notifications is configured', {
      hint: 'add notify: { … } to the machine config, and apply it',
    });
  const message: Message = {
    severity: 'error',
    text: `a test of notifications, sent at ${isoTime(box.now())}`,
  };
  const faults = config.targets.flatMap((target) => {
    const why = send(box, target, hostname(box), message);
    return why === undefined ? [] : [`${target.kind}: ${why}`];
  });
  return { sent: config.targets.length - faults.length, faults };
}

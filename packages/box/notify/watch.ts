import { type Box, BoxError, describeError, folderOf, readTextIfThere, uptime } from '../io/box.ts';
import { choice, integer, isoTime, list, member, optional, parseDocument, string } from '../io/fields.ts';
import {
  type NotifyConfig,
  readNotifyConfig,
  SEVERITIES,
  type Severity,
  type Target,
} from '../settings/notify.ts';
import type { Look } from './condition.ts';
import { lookAround } from './conditions.ts';
import { keyed, type Message, nameOf, request, send } from './send.ts';

const STATE = '/var/lib/draisine/notify.json';
/** The state while the state partition cannot be written, e.g. because it is full. */
const FLEETING = '/run/draisine/notify.json';
const FORMAT = 1;
/** Number of messages that are kept for a receiver. Further ones are dropped, and that is reported. */
const KEPT = 50;
/** Failures of a receiver in one run before its other messages wait: it may refuse only one of them. */
const TRIES = 2;
/**
 * Milliseconds of sending in one run, after which the other messages wait. systemd ends a run after 10 minutes
 * (draisine-watch.service). If that happened while messages are sent, these would be sent again in the next run.
 */
const SENDING = 120_000;

interface Waiting extends Message {
  /** Receivers that have not got the message (`keyed`). An apply may change their order. */
  readonly to: readonly string[];
  /** The time of the look that found it, in milliseconds since 1970. Undefined in files of older releases. */
  readonly at: number | undefined;
}

/** A condition that was reported. */
export interface Known {
  readonly name: string;
  /** The worst that was reported. */
  readonly severity: Severity;
  readonly text: string;
  readonly event: boolean;
  readonly source: string;
  /** Number of looks since it ended; 0 while it lasts. */
  readonly gone: number;
  /** Whether it came back within CALM looks. Then its end is reported only when it stays away for so long. */
  readonly again: boolean;
  /** Number of looks since it became less severe than reported; 0 if it is as severe. */
  readonly milder: number;
}

/** Looks, at two minutes each, for which an ended condition, and the severity of a milder one, is remembered. */
const CALM = 30;

interface WatchState {
  readonly known: readonly Known[];
  readonly queue: readonly Waiting[];
  /** Receivers that know the conditions, or have messages in the queue. Undefined: all receivers of the config. */
  readonly receivers: readonly string[] | undefined;
}

const NEW: WatchState = { known: [], queue: [], receivers: undefined };

function readWatchState(box: Box, { targets }: NotifyConfig): WatchState {
  const text = readTextIfThere(box, FLEETING) ?? readTextIfThere(box, STATE);
  if (text === undefined) return NEW;
  const keys = [...keyed(targets).keys()];
  try {
    const root = parseDocument(text, 'the state of notifications', STATE);
    if (member(root, 'format').value !== FORMAT) throw new BoxError('another format');
    return {
      known: list(member(root, 'known'), (one) => ({
        name: string(member(one, 'name')),
        // Files of older releases lack these.
        severity: optional(member(one, 'severity'), (field) => choice(field, SEVERITIES)) ?? 'error',
        source: optional(member(one, 'source'), (field) => string(field)) ?? '',
        text: string(member(one, 'text')),
        event: member(one, 'event').value === true,
        gone: optional(member(one, 'gone'), (field) => integer(field, 0)) ?? 0,
        again: member(one, 'again').value === true,
        milder: optional(member(one, 'milder'), (field) => integer(field, 0)) ?? 0,
      })),
      queue: list(member(root, 'queue'), (one) => ({
        severity: choice(member(one, 'severity'), SEVERITIES),
        text: string(member(one, 'text')),
        // Older releases wrote the index in the config.
        to: list(member(one, 'to'), ({ value }) => String(typeof value === 'number' ? keys[value] : value)),
        at: optional(member(one, 'at'), (field) => integer(field, 0)),
      })),
      receivers: optional(member(root, 'receivers'), (field) => list(field, (one) => string(one))),
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

/** Writes nothing if nothing has changed: 720 needless writes a day would wear out flash and keep a disk awake. */
function writeWatchState(box: Box, state: WatchState): void {
  const text = `${JSON.stringify({ format: FORMAT, ...state })}\n`;
  if (box.stat(FLEETING) === undefined && readTextIfThere(box, STATE) === text) return;
  try {
    box.makeFolder(folderOf(STATE));
    box.writeFile(STATE, text, { mode: 0o600 });
    box.remove(FLEETING);
  } catch (error) {
    box.log('warning', `the state of notifications is kept until the next restart: ${describeError(error)}`);
    box.writeFile(FLEETING, text, { mode: 0o600, durable: false });
  }
}

const rank = (severity: Severity): number => SEVERITIES.indexOf(severity);

/** A message about a condition. `about`: the severity of the condition, also when its end is reported. */
export interface News extends Message {
  readonly about: Severity;
}

/** Compares a look with what is known: messages about new, worse and ended conditions. */
export function compare(known: readonly Known[], { conditions, unseen }: Look) {
  const news: News[] = [];
  const now = new Set(conditions.map(({ name }) => name));
  const present = conditions.map(({ name, severity, text, event = false, source = '' }): Known => {
    const found = known.find((one) => one.name === name);
    const was = found ?? { severity, gone: 0, again: false, milder: 0 };
    const worse = found === undefined || rank(severity) > rank(was.severity);
    const returned = was.gone > 0;
    if (worse || (returned && !was.again)) news.push({ severity, text, about: severity });
    // After a calm hour, the receivers hear that it is milder, and later that it gets worse again.
    const looks = rank(severity) < rank(was.severity) ? was.milder + 1 : 0;
    if (looks === CALM) news.push({ severity: 'info', text: `better: ${text}`, about: was.severity });
    const [reported, milder] = looks > 0 && looks < CALM ? [was.severity, looks] : [severity, 0];
    return { name, severity: reported, text, event, source, gone: 0, again: returned || was.again, milder };
  });
  const absent = known.flatMap((one): Known[] => {
    if (now.has(one.name)) return [];
    if (unseen.some((source) => `${one.source} `.startsWith(`${source} `))) return [one];
    if (one.event) return [];
    const gone = one.gone + 1;
    if (gone === (one.again ? CALM : 1))
      news.push({ severity: 'info', text: `over: ${one.text}`, about: one.severity });
    return gone < CALM ? [{ ...one, gone }] : [];
  });
  return { known: [...present, ...absent], news };
}

/** Receivers of this severity. Those who were told of a condition hear of its end. */
function wants(targets: Iterable<readonly [string, Target]>, about: Severity): string[] {
  return [...targets].flatMap(([key, { severity }]) => (rank(about) >= rank(severity) ? [key] : []));
}

/**
 * The messages for receivers that are new in the config: all conditions that last. A new receiver may replace one with a
 * wrong address, which has received no message.
 */
function forNewcomers(
  targets: ReadonlyMap<string, Target>,
  { receivers }: WatchState,
  known: readonly Known[],
  news: readonly News[],
): Omit<Waiting, 'at'>[] {
  const newcomers = [...targets].filter(([key]) => receivers && !receivers.includes(key));
  const told = new Set(news.map(({ text }) => text));
  return known
    .filter(({ gone, text }) => gone === 0 && !told.has(text))
    .map(({ severity, text }) => ({ severity, text, to: wants(newcomers, severity) }));
}

function hostname(box: Box): string {
  return (readTextIfThere(box, '/etc/hostname') ?? '').trim() || 'draisine';
}

/** Milliseconds after which a message says when its event was. */
const LATE = 600_000;

function dated(box: Box, { severity, text, at }: Waiting): Message {
  const late = at !== undefined && box.now() - at > LATE;
  return { severity, text: late ? `${text}\n(this message is late: it is of ${isoTime(at)})` : text };
}

/**
 * Sends waiting messages in order. Failed ones are kept for the next time, because the network may be down.
 */
function flush(box: Box, { targets }: NotifyConfig, queue: readonly Waiting[]): Waiting[] {
  const host = hostname(box);
  const byKey = keyed(targets);
  const failures = new Map<string, number>();
  const end = box.monotonic() + SENDING;
  return queue.flatMap((message): Waiting[] => {
    const left = message.to.filter((key) => {
      const target = byKey.get(key);
      const failed = failures.get(key) ?? 0;
      if (target === undefined) return false;
      if (failed >= TRIES || box.monotonic() > end) return true;
      const why = send(box, target, host, dated(box, message));
      if (why === undefined) return false;
      failures.set(key, failed + 1);
      box.log('warning', `a notification by ${nameOf(target, targets)} is kept for later: ${why}`);
      return true;
    });
    return left.length === 0 ? [] : [{ ...message, to: left }];
  });
}

/** For each receiver the first messages; instead of further ones, a message that there were some. */
function bounded(queue: readonly Waiting[]): Waiting[] {
  const counts = new Map<string, number>();
  const room = (key: string): boolean => {
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    return count < KEPT;
  };
  const kept = queue.map((message) => ({ ...message, to: message.to.filter(room) }));
  const over = [...counts].filter(([, count]) => count >= KEPT).map(([key]) => key);
  const note = {
    severity: 'error' as const,
    text: 'more messages were dropped: see draisine health',
    to: over,
    at: undefined,
  };
  return [...kept, note].filter(({ to }) => to.length > 0);
}

/** The uptime, in seconds, of the last thorough look. */
const THOROUGH = '/run/draisine/thorough-look';
/**
 * Seconds between two thorough looks. For many disks a question is work, after which they stay awake. Jobs, quotas and
 * features change slowly, and cost a program for each dataset and pool.
 */
const RARELY = 1800;

/** Whether this look is a thorough one. */
function isThorough(box: Box): boolean {
  const up = uptime(box);
  const last = readTextIfThere(box, THOROUGH);
  if (last !== undefined && up - Number.parseFloat(last) < RARELY) return false;
  box.makeFolder(folderOf(THOROUGH));
  box.writeFile(THOROUGH, `${up}\n`, { durable: false });
  return true;
}

/** Looks at the machine once, and reports new conditions. draisine-watch.timer calls it. */
export function watch(box: Box): void {
  const config = readNotifyConfig(box);
  if (config === undefined) return;
  const state = readWatchState(box, config);
  const { known, news } = compare(state.known, lookAround(box, isThorough(box)));
  const targets = keyed(config.targets);
  for (const { severity, text } of news) box.log(severity === 'info' ? 'notice' : severity, text);
  const fresh = [
    ...forNewcomers(targets, state, known, news),
    ...news.map(({ severity, text, about }) => ({ severity, text, to: wants(targets, about) })),
  ].map((one) => ({ ...one, at: box.now() }));
  const queue = [...state.queue, ...fresh.filter(({ to }) => to.length > 0)];
  const receivers = [...targets.keys()];
  // Written before sending: a power cut in between costs a repeated message, not a lost one.
  writeWatchState(box, { known, queue, receivers });
  if (queue.length > 0) writeWatchState(box, { known, queue: bounded(flush(box, config, queue)), receivers });
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
    return why === undefined ? [] : [`${nameOf(target, config.targets)}: ${why}`];
  });
  return { sent: config.targets.length - faults.length, faults };
}

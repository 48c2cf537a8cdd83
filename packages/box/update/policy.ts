import { isVersion } from '../../../build/release/format/version.ts';
import { type Box, BoxError, readTextIfThere } from '../io/box.ts';
import {
  choice,
  type Field,
  integer,
  list,
  member,
  number,
  optional,
  parseDocument,
  string,
} from '../io/fields.ts';
import { NAME } from '../trust/documents.ts';
import { DAYS, type Day, type UpdateWindow } from './windows.ts';

/** The file that the machine config's `update` becomes on the box (docs/updates.md). */
export const POLICY = '/etc/draisine/update.json';
const FORMAT = 1;

/** A condition for a trial, besides the baseline. */
export type Gate =
  | { readonly unit: string }
  | { readonly command: readonly string[] }
  | { readonly http: string; readonly status: number }
  | { readonly container: string }
  | { readonly pool: string };

/** The automatic actions of the box: all, all except for the restart, or only reports. */
export type Mode = 'auto' | 'stage' | 'notify';

/** The policy of the owner, from /etc/draisine/update.json. */
export interface Policy {
  /** The source of releases: http(s)://, or file:// of a folder. Undefined: none. */
  readonly base: string | undefined;
  readonly channel: string;
  /** Only this version. */
  readonly pin: string | undefined;
  /** No later version than this. */
  readonly max: string | undefined;
  /**
   * `auto`: stages and restarts in a window. `stage`: the owner restarts. `notify`: only reports a new
   * release.
   */
  readonly mode: Mode;
  /** 0: among the first of a rollout, 1: the last. Undefined: random, new for each release. */
  readonly wariness: number | undefined;
  /** Empty: any time. */
  readonly windows: readonly UpdateWindow[];
  /** IANA name of the windows' time zone. */
  readonly zone: string;
  /** Seconds after the boot: the earliest time for a commit, and the time of a rejection. */
  readonly settle: number;
  readonly deadline: number;
  readonly gates: readonly Gate[];
  /** Values for curl's --proxy and --cacert. */
  readonly proxy: string | undefined;
  readonly ca: string | undefined;
}

/** The policy of a box without a file: no server is asked. */
export const DEFAULT_POLICY: Policy = {
  base: undefined,
  channel: 'stable',
  pin: undefined,
  max: undefined,
  mode: 'auto',
  wariness: undefined,
  windows: [],
  zone: 'UTC',
  settle: 600,
  deadline: 1200,
  gates: [],
  proxy: undefined,
  ca: undefined,
};

function version(field: Field): string {
  const value = string(field);
  if (!isVersion(value)) throw new BoxError(`${field.at} must be a version such as 2026.1129.0`);
  return value;
}

function window(field: Field): UpdateWindow {
  const [hours = 0, minutes = 0] = string(
    member(field, 'from'),
    /^([01]\d|2[0-3]):[0-5]\d$/,
    'a time such as 02:30',
  )
    .split(':')
    .map(Number);
  const days =
    optional(member(field, 'days'), (each) => list(each, (day): Day => choice(day, DAYS), 7)) ?? [];
  return { days, from: hours * 60 + minutes, minutes: integer(member(field, 'minutes'), 1, 7 * 1440) };
}

function gate(field: Field): Gate {
  const given = ['unit', 'command', 'http', 'container', 'pool'].filter(
    (kind) => member(field, kind).value !== undefined,
  );
  const [kind, other] = given;
  if (kind === undefined || other !== undefined)
    throw new BoxError(`${field.at} must be one of unit, command, http, container or pool`);
  const value = member(field, kind);
  if (kind === 'command') {
    const command = list(value, (word) => string(word), 100);
    if (command.length === 0) throw new BoxError(`${value.at} must not be empty`);
    return { command };
  }
  if (kind === 'http') {
    const http = string(value, /^https?:\/\//, 'an address that begins with http:// or https://');
    return { http, status: optional(member(field, 'status'), (each) => integer(each, 100, 599)) ?? 200 };
  }
  const name = string(value, /^[^\s-][^\s]*$/, 'a name');
  return kind === 'unit' ? { unit: name } : kind === 'container' ? { container: name } : { pool: name };
}

/**
 * Reads a policy. Missing fields get their defaults.
 * @throws BoxError with the fault
 */
export function parsePolicy(text: string, where = POLICY): Policy {
  const root = parseDocument(text, 'the update policy', where);
  const told = <T>(name: string, read: (field: Field) => T) => optional(member(root, name), read);
  try {
    const format = told('format', (field) => integer(field, 1)) ?? FORMAT;
    if (format !== FORMAT) throw new BoxError(`has format ${format}, and this release reads ${FORMAT}`);
    const policy: Policy = {
      base: told('base', (field) =>
        string(field, /^(https?|file):\/\/\S+$/, 'an address that begins with https://, http:// or file://'),
      )?.replace(/\/+$/, ''),
      channel: told('channel', (field) => string(field, NAME, 'a name')) ?? DEFAULT_POLICY.channel,
      pin: told('pin', version),
      max: told('max', version),
      mode: told('mode', (field) => choice(field, ['auto', 'stage', 'notify'])) ?? DEFAULT_POLICY.mode,
      wariness: told('wariness', (field) => number(field, 0, 1)),
      windows: told('windows', (field) => list(field, window, 50)) ?? [],
      zone:
        told('zone', (field) =>
          string(field, /^[A-Za-z0-9_+-]+(\/[A-Za-z0-9_+-]+)*$/, 'a name such as Europe/Berlin'),
        ) ?? 'UTC',
      settle: told('settle', (field) => integer(field, 0, 86_400)) ?? DEFAULT_POLICY.settle,
      deadline: told('deadline', (field) => integer(field, 1, 86_400)) ?? DEFAULT_POLICY.deadline,
      gates: told('gates', (field) => list(field, gate, 100)) ?? [],
      proxy: told('proxy', (field) => string(field)),
      ca: told('ca', (field) => string(field, /^\//, 'an absolute path')),
    };
    if (policy.deadline < policy.settle) throw new BoxError('deadline must not be before settle');
    return policy;
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    throw new BoxError(`the update policy: ${error.message}`, { where });
  }
}

/** The policy of this box. */
export function readPolicy(box: Box): Policy {
  const text = readTextIfThere(box, POLICY);
  return text === undefined ? DEFAULT_POLICY : parsePolicy(text);
}

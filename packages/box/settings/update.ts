import { isVersion } from '../../../build/release/format/version.ts';
import { type Box, BoxError, readTextIfThere } from '../io/box.ts';
import {
  choice,
  type Field,
  integer,
  list,
  maybe,
  member,
  members,
  number,
  type Readers,
  readDocument,
  string,
} from '../io/fields.ts';
import { NAME } from '../trust/documents.ts';

/** The file that the machine config's `update` becomes on the box (docs/updates.md). */
export const POLICY = '/etc/draisine/update.json';
const FORMAT = 1;

/** The name of a time zone: a path below /usr/share/zoneinfo. */
export const ZONE = /^[A-Za-z0-9_+-]+(\/[A-Za-z0-9_+-]+)*$/;

/** The days of the week, as policies name them; Sunday is 0, as in JavaScript. */
export const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;

/** A day of the week. */
export type Day = (typeof DAYS)[number];

/** A time in which a machine may restart into a release, by the clock of the policy's `zone`. */
export interface UpdateWindow {
  /** Days on which the window begins; default: every day. */
  readonly days?: readonly Day[];
  /** Begin of the window: `02:30`. */
  readonly from: string;
  /** Length, in minutes of real time. */
  readonly minutes: number;
}

/** The fields of each kind of gate. `packages/box/trial/gates.ts` checks them. */
export interface GateKinds<Pool extends string = string, Container extends string = string> {
  readonly unit: { readonly unit: string };
  readonly command: { readonly command: readonly string[] };
  /** `status`: the expected one; default 200. */
  readonly http: { readonly http: string; readonly status?: number };
  readonly container: { readonly container: Container };
  readonly pool: { readonly pool: Pool };
}

/** A condition for keeping a release, besides that everything of before still works. */
export type Gate<Pool extends string = string, Container extends string = string> = GateKinds<
  Pool,
  Container
>[keyof GateKinds];

const name = (field: Field) => string(field, /^[^\s-][^\s]*$/, 'a name');

const GATES: { readonly [Kind in keyof GateKinds]: Readers<GateKinds[Kind]> } = {
  unit: { unit: name },
  command: {
    command: (field) => {
      const words = list(field, (word) => string(word), 100);
      if (words.length === 0) throw new BoxError(`${field.at} must not be empty`);
      return words;
    },
  },
  http: {
    http: (field) => string(field, /^https?:\/\//, 'an address that begins with http:// or https://'),
    status: maybe((field) => integer(field, 100, 599)),
  },
  container: { container: name },
  pool: { pool: name },
};
const KINDS = Object.keys(GATES) as (keyof GateKinds)[];

/** The names of the fields of all gates. */
export const GATE_FIELDS: object = Object.assign({}, ...Object.values(GATES));

/** The kind of a gate. */
export const kindOf = (gate: Gate): keyof GateKinds => KINDS.find((kind) => kind in gate)!;

function gate(field: Field): Gate {
  const [kind, other] = KINDS.filter((each) => member(field, each).value !== undefined);
  if (kind === undefined || other !== undefined)
    throw new BoxError(`${field.at} must be one of ${KINDS.slice(0, -1).join(', ')} or ${KINDS.at(-1)}`);
  return members<Gate>(field, GATES[kind] as Readers<Gate>);
}

/** The automatic actions of the box: all, all except for the restart, or only reports. */
export type Mode = 'auto' | 'stage' | 'notify';

/** The source of updates, their choice, their times, and the conditions for keeping them (docs/updates.md). */
export interface UpdatePolicy<Pool extends string = string, Container extends string = string> {
  /**
   * Address of a folder with the layout of docs/releases.md: `https://`, `http://` or `file://`. Without it no
   * server is asked.
   */
  readonly base?: string;
  readonly channel?: string;
  /** Only this version. */
  readonly pin?: string;
  /** No later version than this. */
  readonly max?: string;
  /** `auto`: stages and restarts in a window. `stage`: you restart. `notify`: only reports a new release. */
  readonly mode?: Mode;
  /** Place in a rollout. 0: among the first, 1: the last; default: random, new for each release. */
  readonly wariness?: number;
  /** Times for restarts; empty: any time. */
  readonly windows?: readonly UpdateWindow[];
  /** IANA name of the windows' time zone; default: that of `time` in the machine config. */
  readonly zone?: string;
  /** Seconds after the boot before a release may be kept. */
  readonly settle?: number;
  /** Seconds after the boot until which a release must work. */
  readonly deadline?: number;
  readonly gates?: readonly Gate<Pool, Container>[];
  /** Proxy, in the form of curl. */
  readonly proxy?: string;
  /** File with the certificates of authorities that are trusted for `base`. */
  readonly ca?: string;
}

const DEFAULTS = {
  channel: 'stable',
  mode: 'auto',
  windows: [],
  zone: 'UTC',
  settle: 600,
  deadline: 1200,
  gates: [],
} as const satisfies UpdatePolicy;

/** A policy with its defaults. */
export type Policy = { readonly [Name in keyof UpdatePolicy]: UpdatePolicy[Name] | undefined } & Required<
  Pick<UpdatePolicy, keyof typeof DEFAULTS>
>;

/** The policy of a box without a file. */
export const DEFAULT_POLICY: Policy = DEFAULTS;

function version(field: Field): string {
  const value = string(field);
  if (!isVersion(value)) throw new BoxError(`${field.at} must be a version such as 2026.1129.0`);
  return value;
}

const window = (field: Field): UpdateWindow =>
  members<UpdateWindow>(field, {
    days: maybe((each) => list(each, (day): Day => choice(day, DAYS), 7)),
    from: (each) => string(each, /^([01]\d|2[0-3]):[0-5]\d$/, 'a time such as 02:30'),
    minutes: (each) => integer(each, 1, 7 * 1440),
  });

/**
 * Reads a policy. Missing fields get their defaults.
 * @throws BoxError with the place of a fault
 */
export function policyOf(root: Field): Policy {
  const format = maybe((field) => integer(field, 1))(member(root, 'format')) ?? FORMAT;
  if (format !== FORMAT) throw new BoxError(`has format ${format}, and this release reads ${FORMAT}`);
  const given = members<UpdatePolicy>(root, {
    base: maybe((field) =>
      string(
        field,
        /^(https?|file):\/\/\S+$/,
        'an address that begins with https://, http:// or file://',
      ).replace(/\/+$/, ''),
    ),
    channel: maybe((field) => string(field, NAME, 'a name')),
    pin: maybe(version),
    max: maybe(version),
    mode: maybe((field) => choice(field, ['auto', 'stage', 'notify'])),
    wariness: maybe((field) => number(field, 0, 1)),
    windows: maybe((field) => list(field, window, 50)),
    zone: maybe((field) => string(field, ZONE, 'a name such as Europe/Berlin')),
    settle: maybe((field) => integer(field, 0, 86_400)),
    deadline: maybe((field) => integer(field, 1, 86_400)),
    gates: maybe((field) => list(field, gate, 100)),
    proxy: maybe((field) => string(field)),
    ca: maybe((field) => string(field, /^\//, 'an absolute path')),
  });
  const policy = { ...DEFAULT_POLICY, ...given };
  if (policy.deadline < policy.settle)
    throw new BoxError(`${member(root, 'deadline').at} must not be before settle`);
  return policy;
}

/**
 * Reads the text of a policy.
 * @throws BoxError with the fault
 */
export const parsePolicy = (text: string): Policy =>
  readDocument(text, 'the update policy', POLICY, policyOf);

/** The policy of this box. */
export function readPolicy(box: Box): Policy {
  const text = readTextIfThere(box, POLICY);
  return text === undefined ? DEFAULT_POLICY : parsePolicy(text);
}

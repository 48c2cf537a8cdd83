import { type Box, readTextIfThere } from '../io/box.ts';
import {
  choice,
  type Field,
  list,
  map,
  maybe,
  member,
  members,
  optional,
  parseDocument,
  type Readers,
  string,
} from '../io/fields.ts';

/** Receivers of messages. The file has tokens and passwords, so only root may read it. */
export const CONFIG = '/etc/draisine/notify.json';

/** Severities of a message, from the least to the most severe. */
export const SEVERITIES = ['info', 'warning', 'error'] as const;

/** Severity of a message. */
export type Severity = (typeof SEVERITIES)[number];

/** What a webhook's body may contain. */
export const PLACEHOLDER = /\{(text|severity|host|title)\}/g;

/** The fields of each kind of receiver. `packages/box/notify/send.ts` sends to them. */
export interface TargetKinds {
  readonly ntfy: { readonly url: string; readonly token?: string };
  readonly gotify: { readonly url: string; readonly token: string };
  /** JSON by POST. In `body`, {text}, {severity}, {host} and {title} stand inside of strings. */
  readonly webhook: {
    readonly url: string;
    readonly body?: string;
    readonly headers?: { readonly [name: string]: string };
  };
  /** SMTP: `smtps://mail.example`, or `smtp://` for a server on your own network. */
  readonly mail: {
    readonly to: string;
    readonly server: string;
    readonly from: string;
    readonly user?: string;
    readonly password?: string;
  };
}

/** A receiver of messages, and the least severity for it. */
export type Target = {
  readonly [Kind in keyof TargetKinds]: {
    readonly kind: Kind;
    readonly severity: Severity;
  } & TargetKinds[Kind];
}[keyof TargetKinds];

const URL = /^https?:\/\/[^\s"]+$/;
const text = (field: Field): string => string(field);
const url = (field: Field): string => string(field, URL, 'an address that begins with https:// or http://');

/** The readers of the fields of each kind. */
export const TARGETS: { readonly [Kind in keyof TargetKinds]: Readers<TargetKinds[Kind]> } = {
  ntfy: { url, token: maybe(text) },
  gotify: { url, token: text },
  webhook: { url, body: maybe(text), headers: maybe((field) => map(field, text)) },
  mail: {
    to: text,
    server: (field) => string(field, /^smtps?:\/\/[^\s"]+$/, 'an address such as smtps://mail.example'),
    from: text,
    user: maybe(text),
    password: maybe(text),
  },
};

function target(field: Field): Target {
  const kind = choice(member(field, 'kind'), Object.keys(TARGETS) as (keyof TargetKinds)[]);
  const severity = optional(member(field, 'severity'), (one) => choice(one, SEVERITIES)) ?? 'warning';
  return { kind, severity, ...members<object>(field, TARGETS[kind]) } as Target;
}

/** The content of the file. */
export interface NotifyConfig {
  readonly targets: readonly Target[];
  /** A URL that is requested at each look. The service behind it raises the alarm when requests stop. */
  readonly heartbeat?: string;
}

/**
 * Reads the receivers.
 * @throws BoxError with the place of a fault
 */
export const notifyConfig = (root: Field): NotifyConfig =>
  members<NotifyConfig>(root, {
    targets: (field) => optional(field, (one) => list(one, target, 50)) ?? [],
    heartbeat: maybe(url),
  });

/** The receivers of this box; undefined if there are none. */
export function readNotifyConfig(box: Box): NotifyConfig | undefined {
  const source = readTextIfThere(box, CONFIG);
  return source === undefined
    ? undefined
    : notifyConfig(parseDocument(source, 'the config of notifications', CONFIG));
}

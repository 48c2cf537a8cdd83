import { type Box, readTextIfThere } from '../io/box.ts';
import { choice, type Field, list, map, member, optional, parseDocument, string } from '../io/fields.ts';
import { SEVERITIES, type Severity } from './condition.ts';

/** Receivers of messages. The file has tokens and passwords, so only root may read it. */
export const CONFIG = '/etc/draisine/notify.json';

/** A receiver of messages, and the least severity for it. */
export type Target = { readonly severity: Severity } & (
  | { readonly kind: 'ntfy'; readonly url: string; readonly token: string | undefined }
  | { readonly kind: 'gotify'; readonly url: string; readonly token: string }
  /** In `body`, {text}, {severity}, {host} and {title} are replaced by JSON strings without their quotes. */
  | {
      readonly kind: 'webhook';
      readonly url: string;
      readonly body: string | undefined;
      readonly headers: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: 'mail';
      readonly server: string;
      readonly from: string;
      readonly to: string;
      readonly user: string | undefined;
      readonly password: string | undefined;
    }
);

/** The content of /etc/draisine/notify.json. */
export interface NotifyConfig {
  readonly targets: readonly Target[];
  /** A URL that is requested at each look. The service behind it raises the alarm when requests stop. */
  readonly heartbeat: string | undefined;
}

const URL = /^https?:\/\/\S+$/;
const text = (field: Field): string => string(field);
const optionalText = (field: Field): string | undefined => optional(field, text);

function targetOf(field: Field): Target {
  const severity = optional(member(field, 'severity'), (one) => choice(one, SEVERITIES)) ?? 'warning';
  const url = (): string =>
    string(member(field, 'url'), URL, 'an address that begins with https:// or http://');
  switch (choice(member(field, 'kind'), ['ntfy', 'gotify', 'webhook', 'mail'])) {
    case 'ntfy':
      return { kind: 'ntfy', severity, url: url(), token: optionalText(member(field, 'token')) };
    case 'gotify':
      return { kind: 'gotify', severity, url: url(), token: text(member(field, 'token')) };
    case 'webhook':
      return {
        ...{ kind: 'webhook', severity, url: url(), body: optionalText(member(field, 'body')) },
        headers: optional(member(field, 'headers'), (one) => map(one, text)) ?? {},
      };
    case 'mail':
      return {
        ...{ kind: 'mail', severity, from: text(member(field, 'from')), to: text(member(field, 'to')) },
        server: string(
          member(field, 'server'),
          /^smtps?:\/\/\S+$/,
          'an address such as smtps://mail.example',
        ),
        user: optionalText(member(field, 'user')),
        password: optionalText(member(field, 'password')),
      };
  }
}

/** Undefined if there are no receivers. */
export function readNotifyConfig(box: Box): NotifyConfig | undefined {
  const source = readTextIfThere(box, CONFIG);
  if (source === undefined) return undefined;
  const root = parseDocument(source, 'the config of notifications', CONFIG);
  return {
    targets: optional(member(root, 'targets'), (field) => list(field, targetOf, 50)) ?? [],
    heartbeat: optional(member(root, 'heartbeat'), (field) => string(field, URL, 'an address')),
  };
}

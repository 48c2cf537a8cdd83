import { badInput } from '../../sdk/lib/errors.ts';
import { isSecret, type Secret } from '../base/secret.ts';
import { file } from './file.ts';
import { type Fragment, matching } from './fragment.ts';

/**
 * The least severity of messages: everything, possible faults, or faults only. A target that got a message
 * also hears when the problem is over.
 */
export type NotifySeverity = 'info' | 'warning' | 'error';

/** A receiver of messages. `severity` is the least severity that is sent there; default `warning`. */
export type NotifyTarget = { readonly severity?: NotifySeverity } & (
  | { readonly ntfy: string; readonly token?: string }
  | { readonly gotify: string; readonly token: string }
  /** JSON by POST. `body` may have {title}, {text}, {severity} and {host} inside of strings. */
  | {
      readonly webhook: string;
      readonly body?: string;
      readonly headers?: { readonly [name: string]: string };
    }
  /** SMTP: `smtps://mail.example`, or `smtp://` for a server on your own network. */
  | {
      readonly mail: string;
      readonly server: string;
      readonly from: string;
      readonly user?: string;
      readonly password?: string;
    }
);

/** The receivers of messages. */
export interface NotifyOptions {
  readonly targets?: readonly NotifyTarget[];
  /**
   * A URL that is requested every few minutes while the machine is up. The service behind it raises the alarm
   * when the requests stop.
   */
  readonly heartbeat?: string;
  /**
   * All of /etc/draisine/notify.json from a file or a program, for owners who keep tokens out of this config.
   */
  readonly config?: Secret;
}

const URL = /^https?:\/\/[^\s"]+$/;
const url = (text: string): string => matching(text, URL, 'address', 'write https://…');

function targetJson(target: NotifyTarget): object {
  const { severity = 'warning' } = target;
  if ('ntfy' in target) return { kind: 'ntfy', severity, url: url(target.ntfy), token: target.token };
  if ('gotify' in target) return { kind: 'gotify', severity, url: url(target.gotify), token: target.token };
  if ('webhook' in target) {
    const { webhook, body, headers } = target;
    return { kind: 'webhook', severity, url: url(webhook), body: checkedBody(body), headers };
  }
  const { mail, server, from, user, password } = target;
  matching(server, /^smtps?:\/\/[^\s"]+$/, 'mail server', 'write smtps://mail.example');
  for (const address of [mail, from])
    matching(address, /^[^\s<>"]+@[^\s<>"]+$/, 'mail address', 'write me@example');
  return { kind: 'mail', severity, to: mail, from, server, user, password };
}

/**
 * Refuses a body that is no JSON once its placeholders are filled in: the receiver would refuse it, at a
 * moment when something is wrong.
 */
function checkedBody(body: string | undefined): string | undefined {
  if (body === undefined) return undefined;
  try {
    JSON.parse(body.replaceAll(/\{(text|severity|host|title)\}/g, 'x'));
    return body;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw badInput(`the body of the webhook is not JSON: ${error.message}`, {
      where: 'notify.targets',
      hint: 'write {text} and the like inside of strings: {"message":"{title}: {text}"}',
    });
  }
}

/**
 * Messages about problems of the machine (docs/day2.md): /etc/draisine/notify.json, which only root can read.
 */
export function notify({ targets = [], heartbeat, config }: NotifyOptions): Fragment {
  const path = '/etc/draisine/notify.json';
  if (config !== undefined && isSecret(config)) return file(path, { contents: config, mode: 0o600 });
  const document = {
    targets: targets.map(targetJson),
    heartbeat: heartbeat === undefined ? undefined : url(heartbeat),
  };
  return file(path, { contents: `${JSON.stringify(document)}\n`, mode: 0o600 });
}

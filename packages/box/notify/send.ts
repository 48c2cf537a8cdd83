import { type Box, whyFailed } from '../io/box.ts';
import type { Severity } from './condition.ts';
import type { Target } from './config.ts';

/** A message to people. */
export interface Message {
  readonly severity: Severity;
  readonly text: string;
}

/** A value in a config file of curl. Secrets must not be on a command line (curl(1), --config). */
const quoted = (value: string): string => `"${value.replaceAll(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`;

const PRIORITY: Readonly<Record<Severity, { readonly ntfy: number; readonly gotify: number }>> = {
  info: { ntfy: 3, gotify: 4 },
  warning: { ntfy: 4, gotify: 6 },
  error: { ntfy: 5, gotify: 9 },
};

const inside = (value: string): string => JSON.stringify(value).slice(1, -1);

function filled(body: string, host: string, { severity, text }: Message): string {
  const values: Record<string, string> = { text, severity, host, title: `${host}: ${severity}` };
  return body.replaceAll(/\{(text|severity|host|title)\}/g, (_, name: string) => inside(values[name] ?? ''));
}

const DEFAULT_BODY = '{"title":"{title}","text":"{text}","severity":"{severity}","host":"{host}"}';

/** Lines of curl's config for one message. */
function requestOf(target: Target, host: string, message: Message): string[] {
  const { severity, text } = message;
  const set = (option: string, value: string): string => `${option} = ${quoted(value)}`;
  switch (target.kind) {
    case 'ntfy':
      return [
        set('url', target.url),
        set('header', `Title: ${host}`),
        set('header', `Priority: ${PRIORITY[severity].ntfy}`),
        ...(target.token === undefined ? [] : [set('header', `Authorization: Bearer ${target.token}`)]),
        set('data-raw', text),
      ];
    case 'gotify':
      return [
        set('url', `${target.url.replace(/\/$/, '')}/message`),
        set('header', `X-Gotify-Key: ${target.token}`),
        set('header', 'Content-Type: application/json'),
        set('data-raw', JSON.stringify({ title: host, message: text, priority: PRIORITY[severity].gotify })),
      ];
    case 'webhook':
      return [
        set('url', target.url),
        set('header', 'Content-Type: application/json'),
        ...Object.entries(target.headers).map(([name, value]) => set('header', `${name}: ${value}`)),
        set('data-raw', filled(target.body ?? DEFAULT_BODY, host, message)),
      ];
    case 'mail':
      return [
        set('url', target.server),
        set('mail-from', target.from),
        set('mail-rcpt', target.to),
        ...(target.user === undefined ? [] : [set('user', `${target.user}:${target.password ?? ''}`)]),
        // Encryption, if the server supports it. A password is never sent without encryption.
        ...(target.user === undefined || target.server.startsWith('smtps:') ? [] : ['ssl-reqd']),
        'upload-file = "/run/draisine/notify-mail"',
      ];
  }
}

function mailOf(
  target: Extract<Target, { kind: 'mail' }>,
  host: string,
  { severity, text }: Message,
): string {
  const subject = `${host}: ${text.split('\n')[0]?.slice(0, 120) ?? severity}`;
  const head = [`From: ${target.from}`, `To: ${target.to}`, `Subject: ${subject}`, 'MIME-Version: 1.0'];
  return [...head, 'Content-Type: text/plain; charset=utf-8', '', text, ''].join('\r\n');
}

/** Sends a message to one receiver. Returns the reason of a failure, else undefined. */
export function send(box: Box, target: Target, host: string, message: Message): string | undefined {
  if (target.kind === 'mail')
    box.writeFile('/run/draisine/notify-mail', mailOf(target, host, message), {
      mode: 0o600,
      durable: false,
    });
  const config = requestOf(target, host, message).join('\n');
  const argv = ['curl', '--fail', '--silent', '--show-error', '--max-time', '30', '--config', '-'];
  const ran = box.run(argv, { stdin: `${config}\n`, timeoutSeconds: 45 });
  return ran.code === 0 ? undefined : whyFailed(argv, ran);
}

import { type Box, whyFailed, withScratch } from '../io/box.ts';
import { curlOption } from '../io/quote.ts';
import { encodeUtf8 } from '../io/utf8.ts';
import { PLACEHOLDER, type Severity, type Target } from '../settings/notify.ts';

/** A message to people. */
export interface Message {
  readonly severity: Severity;
  readonly text: string;
}

/**
 * Receivers by a key that does not depend on their place in the config. A key may contain secrets. Of two receivers with
 * one address, the second gets a number.
 */
export function keyed(targets: readonly Target[]): Map<string, Target> {
  const found = new Map<string, Target>();
  for (const target of targets) {
    const key =
      target.kind === 'mail' ? `mail ${target.to} ${target.server}` : `${target.kind} ${target.url}`;
    let unique = key;
    for (let number = 2; found.has(unique); number++) unique = `${key} ${number}`;
    found.set(unique, target);
  }
  return found;
}

/** The name of a receiver for its owner, without secrets. If several receivers in `all` have one name, it has a number. */
export function nameOf(target: Target, all: readonly Target[]): string {
  const bare = (one: Target): string =>
    one.kind === 'mail'
      ? `mail to ${one.to}`
      : `${one.kind} at ${one.url.replace(/^https?:\/\/([^/?#]*@)?([^/?#]*).*$/, '$2')}`;
  const same = all.filter((one) => bare(one) === bare(target));
  const number = same.length > 1 ? ` (number ${same.indexOf(target) + 1} of these)` : '';
  return `${bare(target)}${number}`;
}

const PRIORITY: Readonly<Record<Severity, { readonly ntfy: number; readonly gotify: number }>> = {
  info: { ntfy: 3, gotify: 4 },
  warning: { ntfy: 4, gotify: 6 },
  error: { ntfy: 5, gotify: 9 },
};

const inside = (value: string): string => JSON.stringify(value).slice(1, -1);

function filled(body: string, host: string, { severity, text }: Message): string {
  const values: Record<string, string> = { text, severity, host, title: `${host}: ${severity}` };
  return body.replaceAll(PLACEHOLDER, (_, name: string) => inside(values[name] ?? ''));
}

const DEFAULT_BODY = '{"title":"{title}","text":"{text}","severity":"{severity}","host":"{host}"}';

/** Lines of curl's config for one message. `mail`: the file with its text. */
function requestOf(target: Target, host: string, message: Message, mail: string): string[] {
  const { severity, text } = message;
  switch (target.kind) {
    case 'ntfy':
      return [
        curlOption('url', target.url),
        curlOption('header', `Title: ${host}`),
        curlOption('header', `Priority: ${PRIORITY[severity].ntfy}`),
        ...(target.token === undefined
          ? []
          : [curlOption('header', `Authorization: Bearer ${target.token}`)]),
        curlOption('data-raw', text),
      ];
    case 'gotify':
      return [
        curlOption('url', `${target.url.replace(/\/$/, '')}/message`),
        curlOption('header', `X-Gotify-Key: ${target.token}`),
        curlOption('header', 'Content-Type: application/json'),
        curlOption(
          'data-raw',
          JSON.stringify({ title: host, message: text, priority: PRIORITY[severity].gotify }),
        ),
      ];
    case 'webhook': {
      const headers = Object.entries(target.headers ?? {});
      const typed = headers.some(([name]) => /^content-type$/i.test(name));
      return [
        curlOption('url', target.url),
        ...(typed ? [] : [curlOption('header', 'Content-Type: application/json')]),
        ...headers.map(([name, value]) => curlOption('header', `${name}: ${value}`)),
        curlOption('data-raw', filled(target.body ?? DEFAULT_BODY, host, message)),
      ];
    }
    case 'mail':
      return [
        curlOption('url', target.server),
        curlOption('mail-from', target.from),
        curlOption('mail-rcpt', target.to),
        ...(target.user === undefined ? [] : [curlOption('user', `${target.user}:${target.password ?? ''}`)]),
        // A password is never sent without encryption.
        ...(target.user === undefined || target.server.startsWith('smtps:') ? [] : ['ssl-reqd']),
        curlOption('upload-file', mail),
      ];
  }
}

/** A value of a mail header in ASCII (RFC 2047, section 2: words of at most 75 characters). */
function headerText(text: string): string {
  if (/^[ -~]*$/.test(text)) return text;
  const words = [''];
  for (const character of text) {
    const hex = (byte: number): string => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    const coded = [...encodeUtf8(character)].map(hex).join('');
    const last = words.length - 1;
    if ((words[last] ?? '').length + coded.length > 50) words.push(coded);
    else words[last] += coded;
  }
  return words.map((word) => `=?utf-8?Q?${word}?=`).join('\r\n ');
}

function mailOf(
  box: Box,
  target: Extract<Target, { kind: 'mail' }>,
  host: string,
  { severity, text }: Message,
): string {
  // Servers refuse a line feed without a carriage return, and the reverse (RFC 5321, section 2.3.8).
  const lines = text.split(/\r\n?|\n/);
  const subject = `${host}: ${lines[0]?.slice(0, 120) || severity}`;
  const date = new Date(box.now()).toUTCString().replace('GMT', '+0000');
  // Gmail refuses mail without one (RFC 5322, section 3.6.4), and not every server in between adds it.
  const id = `${box.now()}.${box.processId()}.${host}@${target.from.replace(/^.*@/, '')}`;
  const head = [
    `From: ${target.from}`,
    `To: ${target.to}`,
    `Subject: ${headerText(subject)}`,
    `Date: ${date}`,
    `Message-ID: <${id}>`,
  ];
  const body = [
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
  ];
  return [...head, ...body, '', ...lines, ''].join('\r\n');
}

const CURL = [
  ...['curl', '--fail', '--silent', '--show-error', '--max-time', '30', '--globoff'],
  ...['--output', '/dev/null', '--write-out', '%{http_code}', '--config', '-'],
];

/** Sends a message to one receiver. Returns the reason of a failure, else undefined. */
export function send(box: Box, target: Target, host: string, message: Message): string | undefined {
  return withScratch(box, 'mail', (folder) => {
    const mail = `${folder}/mail`;
    if (target.kind === 'mail')
      box.writeFile(mail, mailOf(box, target, host, message), { mode: 0o600, durable: false });
    return post(box, target, requestOf(target, host, message, mail));
  });
}

function post(box: Box, target: Target, lines: readonly string[]): string | undefined {
  const ran = box.run(CURL, { stdin: `${lines.join('\n')}\n`, timeoutSeconds: 45 });
  if (ran.code !== 0) return whyFailed(CURL, ran);
  const moved = target.kind === 'webhook' ? /^30[178]/ : /^3/; // a webhook may answer 302 when it is done
  return target.kind !== 'mail' && moved.test(ran.stdout)
    ? `the server answered ${ran.stdout}: it has another address, such as https:// for http://`
    : undefined;
}

/** Requests an address, which may be a secret. Returns whether it answered. */
export const request = (box: Box, url: string): boolean =>
  box.run([...CURL, '--location'], { stdin: `${curlOption('url', url)}\n`, timeoutSeconds: 45 }).code === 0;

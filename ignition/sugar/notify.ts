import {
  CONFIG,
  notifyConfig,
  PLACEHOLDER,
  type Severity,
  TARGETS,
  type TargetKinds,
} from '../../packages/box/settings/notify.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { isSecret, type Secret } from '../base/secret.ts';
import { file } from './file.ts';
import { type Fragment, matching } from './fragment.ts';
import { settings } from './settings.ts';

type Kind = keyof TargetKinds;

/** A receiver of messages. `severity` is the least severity that is sent there; default `warning`. */
export type NotifyTarget = { readonly severity?: Severity } & {
  readonly [Each in Kind]: { readonly [Address in Each]: string } & Omit<TargetKinds[Each], 'url' | 'to'>;
}[Kind];

const KINDS = Object.keys(TARGETS) as Kind[];

/** The names of the options of all receivers. */
export const TARGET_OPTIONS: object = Object.assign({ severity: true }, TARGETS, ...Object.values(TARGETS));

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

/** A receiver as its file has it: `kind`, and `url` or `to` for the address. */
function inFile(target: NotifyTarget): object {
  const options: { readonly [name: string]: unknown } = target;
  const kind = KINDS.find((each) => each in target);
  if (kind === undefined)
    throw badInput(`a target has one of ${KINDS.join(', ')}`, { where: 'notify.targets' });
  if ('webhook' in target) checkBody(target.body);
  if ('mail' in target)
    for (const address of [target.mail, target.from])
      matching(address, /^[^\s<>"]+@[^\s<>"]+$/, 'mail address', 'write me@example');
  const fields = Object.keys(TARGETS[kind]).map((name) => [
    name,
    options[name === 'url' || name === 'to' ? kind : name],
  ]);
  return { kind, severity: target.severity ?? 'warning', ...Object.fromEntries(fields) };
}

/**
 * Refuses a body that is not JSON after its placeholders are filled in. Otherwise the receiver would refuse the message
 * about a problem.
 */
function checkBody(body = '""'): void {
  try {
    JSON.parse(body.replaceAll(PLACEHOLDER, 'x'));
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
  if (config !== undefined && isSecret(config)) return file(CONFIG, { contents: config, mode: 0o600 });
  const document = { targets: targets.map(inFile), heartbeat };
  return settings(CONFIG, document, 'notify', notifyConfig, { mode: 0o600 });
}

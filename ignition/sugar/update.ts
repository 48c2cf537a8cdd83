import { badInput } from '../../sdk/lib/errors.ts';
import type { Text } from '../base/secret.ts';
import { file } from './file.ts';
import { type Fragment, matching, mergeFragments } from './fragment.ts';

/** A day of the week on which an update window begins. */
export type Weekday = 'sun' | 'mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat';

/** A time in which a machine may restart into a release, by the clock of `UpdateOptions.zone`. */
export interface RestartWindow {
  /** Days on which the window begins; default: every day. */
  readonly days?: readonly Weekday[];
  /** Begin of the window: `02:30`. */
  readonly from: string;
  readonly minutes: number;
}

/** A condition for keeping a release, besides that everything of before still works. */
export type UpdateGate<Pool extends string = string, Container extends string = string> =
  | { readonly unit: string }
  | { readonly command: readonly string[] }
  | { readonly http: string; readonly status?: number }
  | { readonly container: Container }
  | { readonly pool: Pool };

/**
 * The source of updates, their choice, their times, and the conditions for keeping them (docs/updates.md).
 */
export interface UpdateOptions<Pool extends string = string, Container extends string = string> {
  /** Address of a folder with the layout of docs/releases.md: `https://`, `http://` or `file://`. */
  readonly base?: string;
  /** Default `stable`. */
  readonly channel?: string;
  /**
   * `auto` (default): stages and restarts in a window. `stage`: you restart. `notify`: only reports a new
   * release.
   */
  readonly mode?: 'auto' | 'stage' | 'notify';
  /** Only this version. */
  readonly pin?: string;
  /** No later version than this. */
  readonly max?: string;
  /** Place in a rollout. 0: among the first, 1: the last; default: random. */
  readonly wariness?: number;
  readonly windows?: readonly RestartWindow[];
  /** Time zone of the windows; default: that of `time`, else UTC. */
  readonly zone?: string;
  /** Seconds after the boot before a release may be kept; default 600. */
  readonly settle?: number;
  /** Seconds after the boot until which a release must work; default 1200. */
  readonly deadline?: number;
  readonly gates?: readonly UpdateGate<Pool, Container>[];
  /** Proxy, in the form of curl. */
  readonly proxy?: string;
  /** File with the certificates of authorities that are trusted for `base`. */
  readonly ca?: string;
  /** The text of root.json: keys that are trusted instead of the built-in ones. */
  readonly root?: Text;
}

const VERSION = /^\d{4}\.[1-9]\d{2,3}\.\d{1,6}$/;

function between(value: number | undefined, least: number, most: number, what: string): void {
  if (value === undefined || (value >= least && value <= most)) return;
  throw badInput(`${what} must be from ${least} to ${most}, not ${value}`, { where: 'update' });
}

function checkUpdate(options: UpdateOptions): void {
  const { base, channel, pin, max, wariness, windows = [], settle = 600, deadline = 1200 } = options;
  const text = (value: string | undefined, shape: RegExp, what: string, hint: string) => {
    if (value !== undefined) matching(value, shape, what, hint);
  };
  text(base, /^(https?|file):\/\/\S+$/, 'base of updates', 'it begins with https://, http:// or file://');
  text(channel, /^[a-z0-9][a-z0-9-]{0,31}$/, 'channel', 'as stable, beta, alpha or lts');
  text(pin, VERSION, 'version in update.pin', 'as 2026.1129.0');
  text(max, VERSION, 'version in update.max', 'as 2026.1129.0');
  between(wariness, 0, 1, 'wariness');
  between(settle, 0, 86_400, 'settle');
  between(deadline, Math.max(settle, 1), 86_400, 'deadline');
  for (const { from, minutes } of windows) {
    text(from, /^([01]\d|2[0-3]):[0-5]\d$/, 'begin of a window', 'as 02:30');
    between(minutes, 1, 7 * 1440, 'minutes of a window');
  }
}

/** The update policy of a machine: /etc/draisine/update.json, and the keys it trusts. */
export function update(options: UpdateOptions, zone?: string): Fragment {
  checkUpdate(options);
  const { root, ...policy } = options;
  const settings = { format: 1, ...policy, zone: policy.zone ?? zone };
  return mergeFragments(
    file('/etc/draisine/update.json', { contents: `${JSON.stringify(settings, null, 2)}\n` }),
    ...(root === undefined ? [] : [file('/etc/draisine/root.json', { contents: root, mode: 0o644 })]),
  );
}

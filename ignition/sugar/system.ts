import { badInput } from '../../sdk/lib/errors.ts';
import { file, link } from './file.ts';
import { type Fragment, matching, mergeFragments } from './fragment.ts';
import { section, unitText } from './ini.ts';
import { timeZone } from './time-zone.ts';

/** The host name (hostname(5)). */
export function hostname(name: string): Fragment {
  const shape =
    /^(?=.{1,64}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;
  matching(name, shape, 'host name', 'use letters, digits and inner hyphens, at most 64 characters');
  return file('/etc/hostname', { contents: `${name}\n` });
}

/** The time zone and the time servers. */
export interface TimeOptions {
  /** Time zone as in /usr/share/zoneinfo: `Europe/Berlin`. */
  readonly zone?: string;
  /** Time servers; default: the network's, or else the vendor's. */
  readonly servers?: readonly string[];
}

/** Time zone (localtime(5)) and time servers (timesyncd.conf(5)). */
export function time({ zone, servers = [] }: TimeOptions): Fragment {
  const parts: Fragment[] = [];
  if (zone !== undefined) {
    const target = `../usr/share/zoneinfo/${timeZone(zone, 'time.zone')}`;
    parts.push(link('/etc/localtime', { target }));
  }
  if (servers.length > 0) {
    const contents = unitText([section('Time', { NTP: servers.join(' ') })]);
    parts.push(file('/etc/systemd/timesyncd.conf.d/50-servers.conf', { contents }));
  }
  return mergeFragments(...parts);
}

/** Words that the kernel command line must or must not have. */
export interface KernelArgumentOptions {
  readonly present?: readonly string[];
  readonly absent?: readonly string[];
}

/** Kernel arguments that must or must not be there (spec 3.3, kernelArguments). */
export function kernelArguments({ present = [], absent = [] }: KernelArgumentOptions): Fragment {
  return { kernelArguments: { shouldExist: [...present], shouldNotExist: [...absent] } };
}

export interface LogOptions {
  /** Size of the journal on the state partition; the image's default is 256M. */
  readonly size?: `${number}${'M' | 'G'}`;
  /** Days after which messages are removed. */
  readonly days?: number;
}

/** Limits of the journal (journald.conf(5)). */
export function log({ size, days }: LogOptions): Fragment {
  if (size !== undefined) matching(size, /^[1-9][0-9]*[MG]$/, 'size', 'write 512M or 1G');
  if (days !== undefined && !(Number.isInteger(days) && days > 0))
    throw badInput(`${days} is not a number of days`, { where: 'log.days' });
  const limits = { SystemMaxUse: size, MaxRetentionSec: days === undefined ? undefined : `${days}day` };
  return file('/etc/systemd/journald.conf.d/50-limits.conf', {
    contents: unitText([section('Journal', limits)]),
  });
}

import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';

/**
 * A process, identified so that later processes recognise it. Another process may have got the same pid
 * since. With the start time (proc_pid_stat(5), field 22) the pid is unique within one boot and pid
 * namespace.
 */
export interface Owner {
  readonly pid: number;
  /** Clock ticks after boot, decimal. */
  readonly start: string;
  /** Digest of the boot and of the pid namespace of `pid`: 8 hexadecimal digits. */
  readonly world: string;
}

/** `foreign`: a process of another boot, container or machine, which this process cannot see. */
export type Liveness = 'alive' | 'dead' | 'foreign';

let own: Owner | undefined;

/** This process. */
export function self(): Owner {
  own ??= { pid: process.pid, start: startTime(process.pid) ?? '0', world: currentWorld() };
  return own;
}

/** Whether a process lives; `foreign` if this process cannot know. */
export function liveness(owner: Owner): Liveness {
  if (owner.world !== self().world) return 'foreign';
  return startTime(owner.pid) === owner.start ? 'alive' : 'dead';
}

/** A file name that contains its owner. `random` distinguishes two names of one process. */
export function ownedName(): string {
  const { pid, start, world } = self();
  return `${pid}-${start}-${world}-${randomBytes(4).toString('hex')}`;
}

/** The process in a name that `ownedName` made; undefined for any other name. */
export function parseOwnedName(name: string): Owner | undefined {
  const [, pid, start, world] = /^(\d+)-(\d+)-([0-9a-f]{8})-[0-9a-f]{8}$/.exec(name) ?? [];
  if (pid === undefined || start === undefined || world === undefined) return undefined;
  return { pid: Number(pid), start, world };
}

/** Undefined if there is no such process, or only its zombie. */
function startTime(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined; // ENOENT; or ESRCH, if it ended between open and read
  }
  // The second field, the command in parentheses, may contain blanks and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? undefined : fields[19];
}

function currentWorld(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1');
  const namespace = readlinkSync('/proc/self/ns/pid');
  return createHash('sha256').update(`${boot}${namespace}`).digest('hex').slice(0, 8);
}

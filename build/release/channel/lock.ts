import { createHmac } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { constants, hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { Failure, ifThere, ifThereSync } from '../../../sdk/lib/errors.ts';
import { temporaryName } from '../../../sdk/lib/files.ts';
import { takeAway } from '../../graph/key-lock.ts';
import { liveness, type Owner, self } from '../../graph/owner.ts';
import { linkNew } from './files.ts';

const LOCK = '.publishing.json';

/**
 * Runs `work` while no other process publishes in `base`. A second publisher fails at once and has changed
 * nothing.
 * The lock of a dead process is removed, also that of an earlier boot of this host. A lock of another machine must be
 * removed by hand, because its process cannot be checked from here.
 */
export async function whilePublishing<T>(
  base: string,
  work: () => Promise<T>,
  here: Place = thisPlace(),
): Promise<T> {
  const path = join(base, LOCK);
  const mine = `${JSON.stringify({ ...self(), ...here, user: userInfo().username })}\n`;
  for (let tries = 0; !(await linkNew(path, mine)); tries++) {
    const held = await ifThere(readFile(path, 'utf8'));
    if (held === undefined) continue;
    const owner = parseOwner(held);
    if (tries < 3 && owner && (liveness(owner) === 'dead' || isEarlierBoot(owner, here))) {
      await takeAway(path, temporaryName(path), held);
      continue;
    }
    throw new Failure(`another process is publishing there: ${describeOwner(held)}`, {
      where: path,
      hint: 'try again later; if no such process exists, remove that file',
    });
  }
  const release = () => {
    if (ifThereSync(() => readFileSync(path, 'utf8')) === mine) rmSync(path, { force: true });
  };
  // In a container, the next publisher could not see that this process is dead. All that it writes appears whole.
  const stop = (name: NodeJS.Signals) => {
    release();
    process.exit(128 + constants.signals[name]);
  };
  for (const name of STOPPING) process.once(name, stop);
  try {
    return await work();
  } finally {
    for (const name of STOPPING) process.off(name, stop);
    release();
  }
}

/** The signals of Ctrl-C and of a job of CI that is cancelled. */
const STOPPING = ['SIGINT', 'SIGTERM'] as const;

/** A boot of a host. */
export interface Place {
  readonly host: string;
  /** Digest of the machine id, which must not be published itself (machine-id(5)); none on a host without one. */
  readonly machine?: string;
  readonly boot: string;
}

function thisPlace(): Place {
  const id = ifThereSync(() => readFileSync('/etc/machine-id', 'latin1'))?.trim() ?? '';
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  // The file is empty, or says `uninitialized`, in images of containers.
  const machine = /^[0-9a-f]{32}$/.test(id)
    ? createHmac('sha256', id).update('draisine publishing').digest('hex')
    : undefined;
  return { host: hostname(), ...(machine && { machine }), boot };
}

/** Two machines may have one name, or copies of one machine id, but hardly both. */
const isEarlierBoot = ({ host, machine, boot }: Partial<Place>, here: Place): boolean =>
  machine !== undefined &&
  machine === here.machine &&
  host === here.host &&
  boot !== undefined &&
  boot !== here.boot;

function parseOwner(text: string): (Owner & Partial<Place> & { user?: string }) | undefined {
  try {
    return JSON.parse(text) as Owner;
  } catch {
    return undefined; // It is not a lock of Draisine, so it stays until a person removes it.
  }
}

function describeOwner(text: string): string {
  const owner = parseOwner(text);
  return owner ? `process ${owner.pid} of ${owner.user} on ${owner.host}` : 'an unreadable lock';
}

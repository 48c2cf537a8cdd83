import { readFile, rm } from 'node:fs/promises';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { Failure, ifThere } from '../../../sdk/lib/errors.ts';
import { temporaryName } from '../../../sdk/lib/files.ts';
import { takeAway } from '../../graph/key-lock.ts';
import { liveness, type Owner, self } from '../../graph/owner.ts';
import { linkNew } from './files.ts';

const LOCK = '.publishing.json';

/**
 * Runs `work` while no other process publishes in `base`. A second publisher fails at once and has changed
 * nothing.
 * The lock of a dead process is removed. A lock of another machine must be removed by hand, because its
 * process cannot be checked from here.
 */
export async function whilePublishing<T>(base: string, work: () => Promise<T>): Promise<T> {
  const path = join(base, LOCK);
  const mine = `${JSON.stringify({ ...self(), host: hostname(), user: userInfo().username })}\n`;
  for (let tries = 0; !(await linkNew(path, mine)); tries++) {
    const held = await ifThere(readFile(path, 'utf8'));
    if (held === undefined) continue;
    const owner = parseOwner(held);
    if (tries < 3 && owner && liveness(owner) === 'dead') {
      await takeAway(path, temporaryName(path), held);
      continue;
    }
    throw new Failure(`another process is publishing there: ${describeOwner(held)}`, {
      where: path,
      hint: 'try again later; if no such process exists, remove that file',
    });
  }
  try {
    return await work();
  } finally {
    if ((await readFile(path, 'utf8').catch(() => '')) === mine) await rm(path, { force: true });
  }
}

function parseOwner(text: string): (Owner & { host?: string; user?: string }) | undefined {
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

import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../../sdk/lib/errors.ts';
import { shellQuote } from '../../../sdk/lib/shell.ts';
import type { GuestVerbs } from './guest.ts';

/** Faults inside a guest: events that a system meets when it runs for years. */
export interface HardshipVerbs {
  /**
   * Fills the file system of a folder until `leave` KiB (default 0) are free. Returns a function that removes the
   * filler file.
   * @example const free = await box.fillDisk('/var', 64)
   */
  fillDisk(path: string, leave?: number): Promise<() => Promise<void>>;
  /**
   * Moves the guest's clock forward by a number of seconds, or back if it is negative, as a wrong time server or an
   * empty battery does.
   * @example await box.jumpClock(-86_400)
   */
  jumpClock(seconds: number): Promise<void>;
  /**
   * Uses memory in the guest until `leave` MiB are available. Returns a function that frees it.
   * @example const giveBack = await box.pressMemory(32)
   */
  pressMemory(leave: number): Promise<() => Promise<void>>;
  /**
   * Overwrites `length` bytes (default 512) of a partition of the system disk, at byte `offset` of the
   * partition. `label` is its GPT label. See `corrupt`.
   * @example await box.corruptPartition('draisine_state', 1 << 20, 4096)
   */
  corruptPartition(label: string, offset: number, length?: number): Promise<void>;
  /**
   * Waits a random time of at most `seconds`, then cuts the power. Returns the time in milliseconds.
   * @example await box.crashWithin(5)
   */
  crashWithin(seconds: number): Promise<number>;
}

const SECTOR = 512;
const PRESSURE = 'kola-pressure';

/** Makes the verbs of hardships from the guest's verbs and those of its hardware. */
export function hardshipVerbs(
  guest: Pick<GuestVerbs, 'succeed' | 'waitUntilSucceeds'>,
  outside: {
    crash(): Promise<void>;
    corrupt(disk: string, offset: number, length?: number): Promise<void>;
  },
): HardshipVerbs {
  return {
    fillDisk: async (path, leave = 0) => {
      const filler = shellQuote(`${path}/.kola-filler`);
      // fallocate takes most of the room. Single writes take the last blocks, and all blocks on file systems without
      // fallocate.
      await guest.succeed(`
        free() { df --output=avail -k ${shellQuote(path)} | tail -n 1; }
        fallocate -l $((($(free) - ${leave}) * 1024)) ${filler} 2>/dev/null || :
        while (($(free) > ${leave})) && dd if=/dev/zero bs=64K count=16 status=none >>${filler} 2>/dev/null; do :; done
        sync -f ${shellQuote(path)}`);
      return async () => {
        await guest.succeed(`rm -f ${filler}`);
      };
    },
    jumpClock: async (seconds) => {
      await guest.succeed(`date --utc --set=@$(($(date +%s) + ${Math.round(seconds)})) >/dev/null`);
    },
    pressMemory: async (leave) => {
      // tail keeps an endless line in memory, so it uses as much memory as it gets bytes.
      await guest.succeed(`
        available=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
        take=$((available - ${leave}))
        ((take > 0)) || exit 0
        systemd-run --quiet --collect --unit=${PRESSURE} --property=OOMScoreAdjust=1000 \\
          bash -c "{ head -c $((take))M /dev/zero; sleep infinity; } | tail"`);
      await guest.waitUntilSucceeds(
        `(($(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo) <= ${leave} + 24))`,
      );
      return async () => {
        await guest.succeed(`systemctl stop ${PRESSURE}.service 2>/dev/null || :`);
      };
    },
    corruptPartition: async (label, offset, length) => {
      const start = Number(
        await guest.succeed(
          `cat "/sys/class/block/$(basename "$(readlink -f /dev/disk/by-partlabel/${shellQuote(label)})")/start"`,
        ),
      );
      if (!(start > 0)) throw new Failure(`there is no partition ${label}`);
      await outside.corrupt('system', start * SECTOR + offset, length);
    },
    crashWithin: async (seconds) => {
      const moment = Math.round(Math.random() * seconds * 1000);
      await sleep(moment);
      await outside.crash();
      return moment;
    },
  };
}

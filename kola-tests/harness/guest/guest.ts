import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Acceleration } from '../qemu/accel.ts';
import type { Vm } from '../qemu/vm.ts';
import { type CommandVerbs, commandVerbs, type GuestOf } from './commands.ts';
import { type TransferVerbs, transferVerbs } from './transfer.ts';
import { type WaitVerbs, waitVerbs } from './waits.ts';

/** The verbs for a guest. Every wait ends at once if QEMU ends, the kernel panics or emergency mode comes up. */
export interface GuestVerbs extends CommandVerbs, WaitVerbs, TransferVerbs {
  /**
   * Writes a picture of the display to a PNG file of the host.
   * @example await box.screenshot('/tmp/screen.png')
   */
  screenshot(path: string): Promise<void>;
  /**
   * Presses keys one after the other, each a QKeyCode name of QEMU such as `a` or `ret`, or several joined by
   * hyphens.
   * @example await box.sendKeys('ctrl-alt-delete')
   */
  sendKeys(...keys: string[]): Promise<void>;
}

const DEFAULT_SECONDS = 60;

/** `limitFactor` multiplies all limits. */
export function guestVerbs(
  { slowness }: Pick<Acceleration, 'slowness'>,
  name: string,
  vm: () => Vm,
  limitFactor: () => number = () => 1,
): GuestVerbs {
  const guest: GuestOf = {
    name,
    vm,
    limitMs: ({ seconds = DEFAULT_SECONDS } = {}) => seconds * 1000 * slowness * limitFactor(),
  };
  const commands = commandVerbs(guest);
  return {
    ...commands,
    ...waitVerbs(guest, commands),
    ...transferVerbs(guest, commands),
    screenshot: async (path) => {
      await mkdir(dirname(path), { recursive: true });
      await vm().qmp.execute('screendump', { filename: path, format: 'png' });
    },
    sendKeys: async (...keys) => {
      for (const key of keys) {
        await vm().qmp.execute('send-key', { keys: key.split('-').map((data) => ({ type: 'qcode', data })) });
      }
    },
  };
}

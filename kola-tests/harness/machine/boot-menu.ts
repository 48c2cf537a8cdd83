import type { Machine } from './machine.ts';

/** Powers a machine on, and chooses an entry of the boot menu by keys: the entry `down` lines below the first one. */
export async function bootEntry(box: Machine, down: number): Promise<void> {
  await box.powerOn();
  // systemd-boot shows its menu on the serial port as well. Any key stops its countdown.
  await box.waitForConsole(/state in RAM/, { seconds: 30 });
  for (let i = 0; i < down; i += 1) await box.sendKeys('down');
  await box.sendKeys('ret');
}

/**
 * Powers a machine on, adds words to the command line of the first entry (`e` in the menu), and boots it. `end` matches
 * the end of that command line.
 */
export async function editEntry(box: Machine, words: string, end: RegExp): Promise<void> {
  await box.powerOn();
  await box.waitForConsole(/state in RAM/, { seconds: 30 });
  await box.sendKeys('e', 'end');
  await box.waitForConsole(end, { seconds: 30 });
  box.vm().console.write(` ${words}\r`);
}

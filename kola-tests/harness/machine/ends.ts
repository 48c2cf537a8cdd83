import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Failure } from '../../../sdk/lib/errors.ts';
import type { Limit } from '../guest/commands.ts';
import { KERNEL_SCRIPT } from '../guest/kernel-log.ts';
import { ChannelClosed } from '../qemu/agent.ts';
import { consoleLog } from '../qemu/qemu-args.ts';
import type { Down, Vm } from '../qemu/vm.ts';
import { type Patience, within } from '../qemu/wait.ts';
import { waitReady } from './boot.ts';
import { cut, power, powerOn } from './power.ts';
import type { MachineState } from './state.ts';

/** Limit of a boot, at native speed. */
const BOOT_SECONDS = 120;
/** Limit of a shutdown, at native speed. */
const DOWN_SECONDS = 60;

/** Verbs for shutdowns, reboots and power cuts. */
export interface EndVerbs {
  /**
   * Powers on a machine whose boot must fail. Waits until the console reports the failure, powers off, and returns
   * the text of the console. Throws if the machine comes up.
   * @example assert.match(await box.bootFails(), /verity/)
   */
  bootFails(options?: Limit): Promise<string>;
  /**
   * Makes the guest reboot in order. Returns when it is up again.
   * @example await box.reboot()
   */
  reboot(): Promise<void>;
  /**
   * Makes the guest shut down in order. Returns when it is off.
   * @example await box.poweroff()
   */
  poweroff(): Promise<void>;
  /**
   * Presses the power button. Returns when the machine is off.
   * @example await box.powerButton()
   */
  powerButton(): Promise<void>;
  /**
   * Waits until the guest has rebooted or powered off by itself, because of its config, its command line, or
   * a program of its own. The machine is then off.
   * @example await box.goesDown('reboot', { seconds: 300 })
   */
  goesDown(how: Down, options?: Limit): Promise<void>;
  /**
   * Cuts the power: the machine is off at once.
   * @example await box.crash()
   */
  crash(): Promise<void>;
}

/** The verbs that end a machine. */
export function endVerbs(machine: MachineState): EndVerbs {
  const { lab, options } = machine;
  return {
    bootFails: async ({ seconds = BOOT_SECONDS } = {}) => {
      await powerOn(machine);
      const { agent, lost } = machine.running();
      try {
        await agent.hello(machine.limited(seconds, lost));
      } catch (error) {
        if (!lost.aborted) throw error;
        return await consoleText(machine);
      } finally {
        await cut(machine);
        machine.gone = undefined;
      }
      throw new Failure(`${options.name} came up, but should not have`);
    },
    reboot: async () => {
      await down(machine, 'reboot', (vm) => systemctl(machine, 'reboot', vm));
      await machine.timed('boot', async () => await waitReady(lab, await power(machine)));
    },
    poweroff: async () => await down(machine, 'poweroff', (vm) => systemctl(machine, 'poweroff', vm)),
    powerButton: async () => await down(machine, 'poweroff', ({ qmp }) => qmp.execute('system_powerdown')),
    goesDown: async (how, { seconds = DOWN_SECONDS } = {}) => {
      // It may have ended already.
      if (!machine.latest) throw new Failure(`${options.name} was never on`);
      await went(machine, machine.latest, how, machine.limited(seconds));
    },
    crash: async () => {
      machine.running();
      await cut(machine);
    },
  };
}

/** The text of the serial console since the first start. */
export async function consoleText({ dir }: MachineState): Promise<string> {
  return existsSync(consoleLog(dir)) ? await readFile(consoleLog(dir), 'utf8') : '';
}

/** Shuts the guest down in order. Returns when QEMU has ended (see `reboot=shutdown` in qemu-args.ts). */
async function down(machine: MachineState, how: Down, ask: (vm: Vm) => Promise<unknown>): Promise<void> {
  const asked = machine.running();
  const { stdout } = await asked.agent.run(KERNEL_SCRIPT, machine.limited(20, asked.lost));
  machine.kernelLog.push(...stdout.toString().split('\n'));
  await ask(asked);
  await went(machine, asked, how, machine.limited(DOWN_SECONDS));
}

/** The answer may come before the channel closes, or not at all. */
async function systemctl(machine: MachineState, verb: Down, { agent, lost }: Vm): Promise<void> {
  await agent.run(`systemctl ${verb}`, machine.limited(20, lost)).catch((error: unknown) => {
    if (!lost.aborted && !(error instanceof ChannelClosed)) throw error;
  });
}

/**
 * Waits until the guest has rebooted or powered off as requested. Any other end, such as a panic during the shutdown,
 * is thrown.
 */
async function went(machine: MachineState, asked: Vm, how: Down, patience: Patience): Promise<void> {
  const { lost, ended } = asked;
  if (!lost.aborted) await within(once(lost, 'abort'), `${machine.options.name} off`, patience);
  // If the console shows it, it is reported before QEMU ends.
  if (asked.wentDown() !== how) throw lost.reason;
  await ended;
  if (machine.vm === asked) machine.vm = undefined;
  machine.gone = undefined;
}

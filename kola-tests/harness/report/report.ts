import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeFailure, Failure } from '../../../sdk/lib/errors.ts';
import { lastLines } from '../guest/commands.ts';
import type { Machine } from '../machine/machine.ts';
import { indent, plainText } from '../qemu/console.ts';

const JOURNAL_SECONDS = 20;

/**
 * Writes the evidence of a failed test to `dir`/MACHINE/: console.txt, journal.txt, ignition.json, qemu.args,
 * screenshot.png. Returns the important lines for the terminal, from the journal if the guest answers, else from the
 * console.
 */
export async function leaveEvidence(
  machines: readonly Machine[],
  dir: string,
  error: unknown,
): Promise<string> {
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'error.txt'), `${describeFailure(error)}\n`);
  const said = await Promise.all(machines.map((machine) => ofMachine(machine, join(dir, machine.name))));
  return `${said.join('\n')}\nmore in ${dir}`;
}

async function ofMachine(machine: Machine, dir: string): Promise<string> {
  await mkdir(dir, { recursive: true });
  const console = plainText(await machine.consoleText());
  const [journal, complaints] = await Promise.all([
    orSay(() => journalOf(machine)),
    orSay(() => complaintsOf(machine)),
    writeFile(join(dir, 'console.txt'), console),
    writeFile(join(dir, 'qemu.args'), `${machine.lastArgs().join('\n')}\n`),
    orSay(() => copyFile(join(machine.dir, 'ignition.json'), join(dir, 'ignition.json'))),
    orSay(async () => {
      if (machine.isOn() && machine.plan.display) await machine.screenshot(join(dir, 'screenshot.png'));
    }),
  ]);
  await writeFile(join(dir, 'journal.txt'), 'value' in journal ? journal.value : `${journal.trouble}\n`);
  return 'value' in journal && machine.isOn()
    ? [
        `failed units and warnings of ${machine.name}:\n${indent('value' in complaints ? complaints.value : complaints.trouble)}`,
        `journal of ${machine.name}, last lines:\n${indent(lastLines(journal.value, 10))}`,
      ].join('\n')
    : `console of ${machine.name}, last lines:\n${indent(lastLines(console, 20))}`;
}

async function journalOf(machine: Machine): Promise<string> {
  if (!machine.isOn()) return 'the machine is off: its journal is on its disk, which is gone\n';
  return await machine.succeed('journalctl --no-pager --output=short-monotonic', {
    seconds: JOURNAL_SECONDS,
  });
}

/** Failed units and warnings, which may name the cause and be older than the journal's last lines. */
async function complaintsOf(machine: Machine): Promise<string> {
  if (!machine.isOn()) return '';
  return await machine.succeed(
    'systemctl list-units --failed --plain --no-legend && ' +
      'journalctl --boot --no-pager --priority=warning --lines=20 --output=short-monotonic',
    { seconds: JOURNAL_SECONDS },
  );
}

/** An error while gathering evidence must not hide the failure that is being reported. So it becomes a line of text. */
async function orSay<T>(
  gather: () => Promise<T>,
): Promise<{ readonly value: T } | { readonly trouble: string }> {
  try {
    return { value: await gather() };
  } catch (error) {
    return { trouble: `not available: ${error instanceof Failure ? describeFailure(error) : String(error)}` };
  }
}

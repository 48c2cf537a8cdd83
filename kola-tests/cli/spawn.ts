import { badInput, Failure } from '../../sdk/lib/errors.ts';
import { openShell } from '../harness/guest/shell.ts';
import { createCluster, planCluster } from '../harness/machine/cluster.ts';
import { openLab } from '../harness/machine/lab.ts';
import type { Machine } from '../harness/machine/machine.ts';
import { qemuTree } from '../harness/qemu/tree.ts';
import { loadTests } from '../harness/run/register.ts';
import { testModules } from '../harness/run/suite-options.ts';
import { OUT } from './options.ts';
import { runRepl } from './repl.ts';
import { onTerminal } from './terminal.ts';

/** The options of `kola spawn`. */
export interface SpawnOptions {
  readonly image: string;
  readonly repl?: boolean;
}

/**
 * `kola spawn`: a root shell on a fork, or with `--repl` JavaScript with the machines as variables. With a test's
 * name its whole cluster runs, and the shell is on the first machine.
 */
export async function spawnMachine(test: string | undefined, { image, repl }: SpawnOptions): Promise<number> {
  if (!repl && !process.stdin.isTTY)
    throw badInput('kola spawn is interactive: it needs a terminal', {
      hint: 'kola spawn --repl takes a script on its input',
    });
  const definition = test === undefined ? { name: 'spawn' } : await definitionOf(test);
  const lab = await openLab({ image, out: OUT, toolTree: await qemuTree() });
  const cluster = await createCluster(lab, planCluster(definition));
  try {
    await cluster.start();
    if (repl) {
      const { stdin: input, stdout: output, stderr: errors } = process;
      return await runRepl(cluster.machines, { input, output, errors });
    }
    const [machine] = Object.values(cluster.machines);
    if (!machine) throw new Failure(`${definition.name} has no machine`);
    process.stderr.write(
      `root shell on ${machine.name} (files in ${machine.dir}) · exit or Ctrl-A X ends it and the machine\n`,
    );
    await shell(machine);
    return 0;
  } finally {
    await cluster.dispose();
  }
}

async function definitionOf(name: string): Promise<Parameters<typeof planCluster>[0]> {
  const { tests } = await loadTests(await testModules());
  const found = tests.find(({ definition }) => definition.name === name);
  if (!found) throw badInput(`there is no test ${name}`, { hint: './draisine kola list shows them all' });
  return found.definition;
}

/** Connects this terminal to a shell on the serial console. */
async function shell(machine: Machine): Promise<void> {
  const { columns = 80, rows = 24 } = process.stdout;
  const opened = await openShell(machine, {
    columns,
    rows,
    terminal: process.env.TERM ?? 'vt220',
    onOutput: (bytes) => void process.stdout.write(bytes),
  });
  await onTerminal(opened.write, opened.ended);
  opened.close();
}

import { badInput, Failure } from '../../sdk/lib/errors.ts';
import { createCluster, planCluster } from '../harness/cluster.ts';
import { openLab } from '../harness/lab.ts';
import type { Machine } from '../harness/machine.ts';
import { loadTests, type TestDefinition } from '../harness/register.ts';
import { testModules } from '../harness/suite-options.ts';
import { qemuTree } from '../harness/tree.ts';
import { OUT } from './options.ts';

/** `kola spawn`: a root shell on a fork. With a test's name its whole cluster runs, and the shell is on the first machine. */
export async function spawnMachine(
  test: string | undefined,
  { image }: { readonly image: string },
): Promise<number> {
  if (!process.stdin.isTTY) throw badInput('kola spawn is interactive: it needs a terminal');
  const definition = test === undefined ? { name: 'spawn' } : await definitionOf(test);
  const lab = await openLab({ image, out: OUT, toolTree: await qemuTree() });
  const cluster = await createCluster(lab, planCluster(definition));
  try {
    await cluster.start();
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

async function definitionOf(name: string): Promise<TestDefinition> {
  const { tests } = await loadTests(await testModules());
  const found = tests.find(({ definition }) => definition.name === name);
  if (!found) throw badInput(`there is no test ${name}`, { mend: './draisine kola list shows them all' });
  return found.definition;
}

const UNIT = 'draisine-shell.service';

/** A shell on the serial console, which this terminal is put through to. */
async function shell(machine: Machine): Promise<void> {
  const { console, lost } = machine.vm();
  const { columns = 80, rows = 24 } = process.stdout;
  await machine.succeed(`
    systemctl stop serial-getty@ttyS0.service
    stty -F /dev/ttyS0 sane columns ${columns} rows ${rows}
    systemd-run --quiet --unit=${UNIT} --property=StandardInput=tty-force --property=StandardOutput=tty \\
      --property=TTYPath=/dev/ttyS0 --setenv=HOME=/root --setenv=TERM=${process.env.TERM ?? 'vt220'} --working-directory=/root /bin/bash -l`);
  const { stdin, stdout } = process;
  const stopEcho = console.onOutput((bytes) => stdout.write(bytes));
  stdin.setRawMode(true);
  stdin.resume();
  try {
    await new Promise<void>((resolve) => {
      let prefix = false;
      stdin.on('data', (bytes: Buffer) => {
        if (prefix && /^[xX]/.test(bytes.toString())) return resolve();
        prefix = bytes.length === 1 && bytes[0] === 1;
        if (!prefix) console.write(bytes);
      });
      lost.addEventListener('abort', () => resolve(), { once: true });
      machine.waitUntilSucceeds(`! systemctl is-active --quiet ${UNIT}`, { seconds: 24 * 3600 }).then(
        () => resolve(),
        () => resolve(),
      );
    });
  } finally {
    stopEcho();
    stdin.setRawMode(false);
    stdin.pause();
    stdin.removeAllListeners('data');
  }
}

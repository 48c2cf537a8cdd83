import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Machine } from '../machine/machine.ts';
import type { IgnitionConfig } from '../qemu/spec.ts';

const CHECKOUT = fileURLToPath(new URL('../../../', import.meta.url));

/** A file of kola-tests/fixtures/. */
export function fixture(name: string): string {
  return `${CHECKOUT}kola-tests/fixtures/${name}`;
}

/** What `draisine ignition VERB …` writes: a config, made by the verbs that a user has. */
export async function ignitionVerb(
  verb: 'compile' | 'translate',
  ...args: string[]
): Promise<IgnitionConfig> {
  const { stdout } = await promisify(execFile)(`${CHECKOUT}draisine`, ['ignition', verb, ...args], {
    maxBuffer: 16 << 20,
  });
  return JSON.parse(stdout) as IgnitionConfig;
}

/**
 * Makes the next boot of a running machine a first boot, and turns it off. It then finds `config` in QEMU's fw_cfg, or
 * there is none, and what lies on its disks counts.
 */
export async function unprovision(box: Machine, config: IgnitionConfig | undefined): Promise<void> {
  await box.succeed('touch /.draisine-reset && sync');
  await box.crash();
  await box.configure(config);
}

/** Has a running machine provisioned anew, its other disks as they are. */
export async function provision(box: Machine, config: IgnitionConfig): Promise<void> {
  await unprovision(box, config);
  await box.start();
}

import { fileURLToPath } from 'node:url';
import type { IgnitionConfig } from '../guest/ignition.ts';
import type { Machine } from './machine.ts';

const FIXTURES = fileURLToPath(new URL('../../fixtures/', import.meta.url));

/** A file of kola-tests/fixtures/. */
export function fixture(name: string): string {
  return `${FIXTURES}${name}`;
}

/**
 * Makes the next boot of a running machine a first boot, and turns it off. At that boot it finds `config` in QEMU's
 * fw_cfg. If `config` is undefined, it uses a config on its disks.
 */
export async function unprovision(box: Machine, config: IgnitionConfig | undefined): Promise<void> {
  await box.succeed('echo blank >/.draisine-reset && sync');
  await box.crash();
  await box.configure(config);
}

/** Provisions a running machine again. Its other disks stay as they are. */
export async function provision(box: Machine, config: IgnitionConfig): Promise<void> {
  await unprovision(box, config);
  await box.start();
}

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../../sdk/lib/errors.ts';
import { toolCommand } from '../../../sdk/tool.ts';
import { newMachineDir } from '../qemu/rundir.ts';
import { supervise } from '../qemu/supervise.ts';
import { toolTree } from '../qemu/tree.ts';
import { poll } from '../qemu/wait.ts';
import { HOST } from './web.ts';

/** A registry of container images (Debian's docker-registry), empty at first, for guests of the user network. */
export interface Registry {
  /** `10.0.2.2:PORT`, as in the name of an image. */
  readonly host: string;
  /** The folder with the pushed images. */
  readonly storage: string;
  close(): Promise<void>;
}

/** Starts an HTTPS registry. `tls`: paths of certificate and key, in PEM. */
export async function startRegistry(tls: { readonly cert: string; readonly key: string }): Promise<Registry> {
  const dir = await newMachineDir();
  const storage = join(dir, 'storage');
  const config = join(dir, 'config.json');
  // Its configuration is YAML. JSON is valid YAML.
  await writeFile(
    config,
    JSON.stringify({
      version: '0.1',
      log: { accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: storage } },
      http: { addr: '127.0.0.1:0', secret: 'none', tls: { certificate: tls.cert, key: tls.key } },
    }),
  );
  const command = toolCommand(await toolTree('sdk-registry'), 'docker-registry', ['serve', config]);
  const registry = await supervise(command, dir);
  const port = await Promise.race([
    poll('the registry', async () => /listening on 127\.0\.0\.1:(\d+)/.exec(registry.said())?.[1], {
      timeoutMs: 60_000,
    }),
    registry.ended.then(({ output }) => {
      throw new Failure(`docker-registry ended: ${output.trim()}`);
    }),
  ]).catch(async (error: unknown) => {
    await registry.kill();
    throw error;
  });
  return {
    host: `${HOST}:${port}`,
    storage,
    close: async () => {
      await registry.kill();
    },
  };
}

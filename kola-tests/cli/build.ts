import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { Failure } from '../../sdk/lib/errors.ts';
import { runProcess } from '../../sdk/process.ts';
import { buildArguments } from '../harness/qemu/artifacts.ts';
import { OUT } from './options.ts';

/** Builds an image with the build verb, whose progress goes to stderr: kola-tests knows artifacts only. */
export async function buildImage(image: string): Promise<void> {
  const args = buildArguments(image);
  const { code } = await runProcess(
    { file: join(CHECKOUT, 'draisine'), args, env: process.env },
    { stdout: 2, stderr: 2 },
  );
  if (code !== 0)
    throw new Failure(`./draisine ${args.join(' ')} failed (exit ${code}): see above`, {
      exitCode: code === 2 ? 2 : 1,
    });
}

/** As `buildImage`, where nothing of that name was built or put in `out/`. What is there is booted as it is. */
export async function buildIfMissing(image: string): Promise<void> {
  if (!existsSync(join(OUT, image, 'manifest.json'))) await buildImage(image);
}

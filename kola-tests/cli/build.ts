import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { Failure } from '../../sdk/lib/errors.ts';
import { runProcess } from '../../sdk/process.ts';
import { buildArguments } from '../harness/qemu/artifacts.ts';
import { OUT } from './options.ts';

/** Builds an image by running the build verb, because kola-tests knows artifacts only. Progress goes to stderr. */
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

/** Builds an image unless `out/` has artifacts of that name, which are then used unchanged. */
export async function buildIfMissing(image: string): Promise<void> {
  if (!existsSync(join(OUT, image, 'manifest.json'))) await buildImage(image);
}

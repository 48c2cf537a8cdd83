import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../sdk/lib/errors.ts';
import { CHECKOUT, OUT } from './options.ts';

/** Builds an image with the build verb, whose progress goes to stderr: kola-tests knows artifacts only. */
export async function buildImage(image: string): Promise<void> {
  const code = await new Promise<number | null>((resolve, reject) => {
    const child = spawn(join(CHECKOUT, 'draisine'), ['build', image], { stdio: ['ignore', 2, 2] });
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0)
    throw new Failure(`./draisine build ${image} failed (exit ${code}): see above`, {
      exitCode: code === 2 ? 2 : 1,
    });
}

/** As `buildImage`, where nothing of that name was built or put in `out/`. What is there is booted as it is. */
export async function buildIfMissing(image: string): Promise<void> {
  if (!existsSync(join(OUT, image, 'manifest.json'))) await buildImage(image);
}

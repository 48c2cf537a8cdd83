import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { badInput, Failure } from '../../sdk/lib/errors.ts';
import { nearNames } from '../../sdk/lib/near.ts';
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

/** Refuses a name that is neither an image of this checkout (or `IMAGE-dev`) nor a folder of artifacts in `out/`. */
export function checkImageName(name: string): void {
  const images = readdirSync(join(CHECKOUT, 'images'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(entry.parentPath, entry.name, 'image.ts')))
    .map((entry) => entry.name);
  const isPlain = /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name);
  if (isPlain && (images.includes(name.replace(/-dev$/, '')) || existsSync(join(OUT, name, 'manifest.json'))))
    return;
  throw badInput(`there is no image ${JSON.stringify(name)}`, { hint: nearNames(name, images) });
}

/** Builds an image unless `out/` has artifacts of that name, which are then used unchanged. */
export async function buildIfMissing(image: string): Promise<void> {
  if (!existsSync(join(OUT, image, 'manifest.json'))) await buildImage(image);
}

import { chmod, copyFile, open, stat } from 'node:fs/promises';
import { configArea, findConfigArea } from '../build/media/iso-config.ts';
import { badInput, errorCode, Failure } from '../sdk/lib/errors.ts';
import { fillOutput } from '../sdk/lib/output.ts';

/**
 * Writes `config` into the area for a config in the ISO `image`, or blanks the area. Writes the result to
 * `output`, which may be `image`. `from` is the config's name in errors.
 */
export async function embedConfig(options: {
  readonly image: string;
  readonly output: string;
  readonly config: string;
  readonly from: string;
  /** The config holds secrets. */
  readonly secret: boolean;
}): Promise<void> {
  const { image, output, config, from, secret } = options;
  const area = configArea(config, from);
  const offset = await areaOf(image);
  await fillOutput(output, { secret }, async (temporary) => {
    await copyFile(image, temporary);
    await chmod(temporary, 0o600); // A built image is read-only.
    const file = await open(temporary, 'r+');
    try {
      await file.write(area, 0, area.length, offset);
    } finally {
      await file.close();
    }
  });
}

async function areaOf(image: string): Promise<number> {
  try {
    if (!(await stat(image)).isFile())
      throw badInput('not a file', {
        where: image,
        hint: 'embed into the ISO image, then write it to the stick',
      });
    const file = await open(image, 'r');
    try {
      return await findConfigArea(file, image);
    } finally {
      await file.close();
    }
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined || error instanceof Failure) throw error;
    throw badInput(code === 'ENOENT' ? 'no such ISO image' : `cannot be read (${code})`, { where: image });
  }
}

import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { badInput, Failure } from '../../sdk/lib/errors.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import { nearNames } from '../../sdk/lib/near.ts';
import { makeGraph } from '../graph/graph.ts';
import type { Target } from '../graph/target.ts';
import { checkImage } from '../image/check-image.ts';
import type { Image } from '../image/image.ts';
import type { ImageProduct, ProductOptions } from './product.ts';

/** An image with its name and its targets. */
export interface LoadedImage extends ImageProduct {
  readonly name: string;
}

/** Names of the images of this checkout: the folders of images/ that have an image.ts. */
export function imageNames(): readonly string[] {
  const root = join(CHECKOUT, 'images');
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .filter((name) => existsSync(join(root, name, 'image.ts')))
    .sort(byteOrder);
}

/** The value that `images/NAME/image.ts` exports. */
export async function readImage(name: string): Promise<Image> {
  if (!imageNames().includes(name)) {
    throw badInput(`there is no image ${name}`, { where: 'images/', hint: nearNames(name, imageNames()) });
  }
  const path = join(CHECKOUT, 'images', name, 'image.ts');
  let module: { readonly default?: unknown };
  try {
    module = (await import(`../../images/${name}/image.ts`)) as typeof module;
  } catch (cause) {
    if (cause instanceof Failure || !(cause instanceof Error)) throw cause;
    const { what, where } = placeOf(cause, path);
    throw badInput(`the definition of the image ${name} cannot be loaded: ${what}`, {
      where: relative(CHECKOUT, where),
      hint: 'correct it; npx tsc --noEmit tells more',
      cause,
    });
  }
  return checkImage(module.default, name);
}

/**
 * The error of loading a module, with its line: esbuild knows that of a syntax error, the stack that of any
 * other.
 */
function placeOf(error: Error, module: string): { what: string; where: string } {
  const syntax = /^(.+:\d+):\d+: ERROR: (.*)$/m.exec(error.message);
  if (syntax) return { where: syntax[1] ?? module, what: syntax[2] ?? '' };
  const [what = ''] = error.message.split('\n', 1);
  const frames = (error.stack ?? '').split('\n');
  const loader = frames.findIndex((frame) => frame.includes(import.meta.filename));
  const places = frames.slice(0, loader).flatMap((frame) => /(\/[^()]+:\d+):\d+\)?$/.exec(frame)?.[1] ?? []);
  const ours = places.find((place) => place.startsWith(`${CHECKOUT}/`) && !place.includes('/node_modules/'));
  return { where: ours ?? module, what };
}

/**
 * Loads images/NAME/image.ts and makes its graph.
 * @throws badInput for an unknown name or a wrong definition
 */
export async function loadImage(name: string, options: ProductOptions): Promise<LoadedImage> {
  const image = await readImage(name);
  const { imageProduct } = await import('./product.ts');
  return { name, ...(await imageProduct(image, options)) };
}

/** Every target of the checkout's images, with their inputs, by name. */
export async function loadTargets(options: ProductOptions = { dev: false }): Promise<Map<string, Target>> {
  const roots: Target[] = [];
  for (const name of imageNames()) roots.push(...targetsOf(await loadImage(name, options)));
  return targetsByName(roots);
}

/** All targets that an image names itself. */
export function targetsOf(image: ImageProduct): readonly Target[] {
  return [
    ...Object.values(image.artifacts).map(({ target }) => target),
    ...Object.values(image.targets),
    image.usrHash,
    image.tree,
  ];
}

/** All targets below some others, by name. */
export function targetsByName(roots: readonly Target[]): Map<string, Target> {
  return new Map(makeGraph(roots).nodes.map(({ name, target }) => [name, target]));
}

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { badInput } from '../../sdk/lib/errors.ts';
import { byteOrder, type Sha256 } from '../../sdk/lib/files.ts';
import { CHECKOUT } from '../graph/code.ts';
import { makeGraph } from '../graph/graph.ts';
import type { Target } from '../graph/target.ts';
import type { Image } from '../image/image.ts';
import { nearNames } from './near.ts';

/** A package of an image, as the manifest names it. */
export interface ImagePackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
}

/** How `imageTargets` is told to build. */
export interface ImageContext {
  /** Development compression: quick to make, larger. */
  readonly dev: boolean;
}

/** What `imageTargets(image, context)` of build/image.ts returns: all that the command line needs of an image. */
export interface ImageTargets {
  /** What `build IMAGE` makes: artifact name (`disk`, `uki`, …; the target's is `IMAGE:disk`) → target and file name in out/IMAGE/. */
  readonly artifacts: Readonly<Record<string, ImageArtifact>>;
  /** Other targets the user may name, by their full names. All that these and the artifacts need can be named too. */
  readonly targets: Readonly<Record<string, Target>>;
  readonly version: string;
  /** SHA-256 of the lock. */
  readonly lock: Sha256;
  readonly packages: readonly ImagePackage[];
  /** Output: the root hash of /usr's hash tree, 64 hexadecimal digits. */
  readonly usrHash: Target;
  /** Output: JSON `{entries, trims?: [{reason, count, bytes}]}`. */
  readonly tree: Target;
}

export interface ImageArtifact {
  readonly target: Target;
  /** Name of the file in out/IMAGE/. */
  readonly file: string;
  /** Made by `build IMAGE`; the others only when asked for by name. */
  readonly byDefault: boolean;
}

export interface LoadedImage extends ImageTargets {
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
    throw badInput(`there is no image ${name}`, { where: 'images/', mend: nearNames(name, imageNames()) });
  }
  const url = pathToFileURL(join(CHECKOUT, 'images', name, 'image.ts')).href;
  const { default: image } = (await import(url)) as { default?: Image };
  if (image === undefined) {
    throw badInput('the module does not export an image', {
      where: `images/${name}/image.ts`,
      mend: 'export it as default',
    });
  }
  return image;
}

export async function loadImage(name: string, context: ImageContext): Promise<LoadedImage> {
  const image = await readImage(name);
  const { imageTargets } = await import('../image.ts');
  return { name, ...(await imageTargets(image, context)) };
}

/** Every target of the checkout's images and all they need, by name. */
export async function loadTargets(context: ImageContext = { dev: false }): Promise<Map<string, Target>> {
  const roots: Target[] = [];
  for (const name of imageNames()) roots.push(...targetsOf(await loadImage(name, context)));
  return targetsByName(roots);
}

/** All targets an image names itself. */
export function targetsOf(image: ImageTargets): readonly Target[] {
  return [
    ...Object.values(image.artifacts).map(({ target }) => target),
    ...Object.values(image.targets),
    image.usrHash,
    image.tree,
  ];
}

export function targetsByName(roots: readonly Target[]): Map<string, Target> {
  return new Map(makeGraph(roots).nodes.map(({ name, target }) => [name, target]));
}

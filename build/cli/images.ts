import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { badInput, Failure } from '../../sdk/lib/errors.ts';
import { byteOrder, type Sha256 } from '../../sdk/lib/files.ts';
import { CHECKOUT } from '../graph/code.ts';
import { makeGraph } from '../graph/graph.ts';
import type { Target } from '../graph/target.ts';
import { checkImage } from '../image/check-image.ts';
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
  /** `YYYY.MDD.N`; default DRAISINE_VERSION, else the day of the lock's newest index. */
  readonly version?: string;
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
    throw badInput(`there is no image ${name}`, { where: 'images/', hint: nearNames(name, imageNames()) });
  }
  const path = join(CHECKOUT, 'images', name, 'image.ts');
  let module: { readonly default?: unknown };
  try {
    module = (await import(pathToFileURL(path).href)) as typeof module;
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

/** What went wrong when a module was loaded, and in which line: of a syntax error esbuild says it, else the stack. */
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

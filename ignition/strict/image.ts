import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Image } from '../../build/image/image.ts';

/** The parts of a machine's image that checks need. */
export interface ImageView {
  readonly name: string;
  /** Folder with the image's usr/, without its kernel modules. */
  readonly root: string;
  /** Tool tree with bubblewrap. */
  readonly sandbox: string;
  /** Names of the kernel's modules and built-in drivers, with `_` for `-`. */
  readonly modules: ReadonlySet<string>;
}

const moduleName = (name: string): string => name.replaceAll('-', '_');

function builtinModules(root: string): string[] {
  const folder = join(root, 'usr/lib/modules');
  const releases = existsSync(folder) ? readdirSync(folder) : [];
  return releases.flatMap((release) =>
    readFileSync(join(folder, release, 'modules.builtin'), 'utf8')
      .split('\n')
      .flatMap((line) => /([^/]+)\.ko$/.exec(line)?.[1] ?? []),
  );
}

/**
 * The description of an image.
 * @throws Failure if there is no such image
 */
export async function namedImage(name: string): Promise<Image> {
  return await (await import('../../build/product/images.ts')).readImage(name);
}

/**
 * The image, made from the lock if the store does not have it. Packages are fetched, no kernel is compiled.
 * For an image with a kernel of its own, the kernel's configuration is made with its source and compiler,
 * because it says what is built in.
 */
export async function viewImage({ name, kernel }: Image): Promise<ImageView> {
  const [{ loadImage }, { buildTargets }, { sdkTree }] = await Promise.all([
    import('../../build/product/images.ts'),
    import('../../build/graph/run.ts'),
    import('../../build/image/sdk.ts'),
  ]);
  const target = (await loadImage(name, { dev: false })).targets[`${name}:root`];
  if (target === undefined) throw new Error(`the image ${name} has no target ${name}:root`);
  const root = (await buildTargets([target])).get(target.name)?.path ?? '';
  const modules = new Set([...kernel.modules, ...builtinModules(root)].map(moduleName));
  return { name, root, sandbox: await sdkTree('sdk-image'), modules };
}

/** Whether the image has a kernel module, as a file or built in. */
export const hasModule = ({ modules }: ImageView, name: string): boolean => modules.has(moduleName(name));

/** Whether the image has a program in /usr/bin or /usr/sbin. */
export const hasProgram = ({ root }: ImageView, name: string): boolean =>
  ['usr/sbin', 'usr/bin'].some((folder) => existsSync(join(root, folder, name)));

/** The path on this host of a path of the image: /etc is in the defaults below /usr. */
export const imageFile = ({ root }: ImageView, path: string): string =>
  join(root, path.startsWith('/etc/') ? `/usr/share/draisine${path}` : path);

/** Text of a file of the image, below /usr or of a default of /etc; undefined if there is none. */
export function imageText(image: ImageView, path: string): string | undefined {
  const file = imageFile(image, path);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

/** The folder of the units that the image ships. */
export const UNIT_FOLDER = '/usr/lib/systemd/system';

/** Names of the units the image ships. */
export function imageUnits({ root }: ImageView): ReadonlySet<string> {
  return new Set(readdirSync(join(root, UNIT_FOLDER)));
}

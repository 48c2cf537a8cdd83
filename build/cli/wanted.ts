import { badInput } from '../../sdk/lib/errors.ts';
import { nearNames } from '../../sdk/lib/near.ts';
import type { Target } from '../graph/target.ts';
import { imageNames, type LoadedImage, loadImage, targetsByName, targetsOf } from '../product/images.ts';

/** The targets that the user asked for. */
export interface Wanted {
  readonly targets: readonly Target[];
  /** Images that were asked for by name: all their default artifacts. */
  readonly whole: readonly LoadedImage[];
  /** Single artifacts asked for: `n100:uki`. */
  readonly single: readonly { readonly image: LoadedImage; readonly artifact: string }[];
}

/** Turns names into targets. Loads an image only if it may have a wanted target. */
export async function resolveNames(names: readonly string[], dev: boolean): Promise<Wanted> {
  const images = imageNames();
  const prefixes = names.map((name) => name.split(':', 1)[0] ?? '');
  const needed = prefixes.every((prefix) => images.includes(prefix))
    ? images.filter((name) => prefixes.includes(name))
    : images;
  const loaded = new Map<string, LoadedImage>();
  for (const name of needed) loaded.set(name, await loadImage(name, { dev }));
  return pickTargets(names, loaded);
}

/**
 * Finds names among images, artifacts and their targets.
 * @throws badInput, with similar names, for any other name
 */
export function pickTargets(names: readonly string[], images: ReadonlyMap<string, LoadedImage>): Wanted {
  const byName = targetsByName([...images.values()].flatMap(targetsOf));
  const targets = new Set<Target>();
  const whole: LoadedImage[] = [];
  const single: { image: LoadedImage; artifact: string }[] = [];
  for (const name of new Set(names)) {
    const image = images.get(name);
    const [prefix = '', artifact = ''] = name.split(/:(.*)/s, 2);
    const owner = images.get(prefix);
    if (image) {
      whole.push(image);
      for (const target of wholeTargets(image)) targets.add(target);
    } else if (owner && Object.hasOwn(owner.artifacts, artifact)) {
      single.push({ image: owner, artifact });
      targets.add((owner.artifacts[artifact] as { target: Target }).target);
    } else {
      const target = byName.get(name);
      if (!target)
        throw badInput(`there is no target ${name}`, {
          hint: nearNames(name, [...images.keys(), ...byName.keys()]),
        });
      targets.add(target);
    }
  }
  return { targets: [...targets], whole, single };
}

/** The targets of `build IMAGE`. */
export function wholeTargets(image: LoadedImage): readonly Target[] {
  const artifacts = Object.values(image.artifacts).filter(({ byDefault }) => byDefault);
  return [...artifacts.map(({ target }) => target), image.usrHash, image.tree];
}

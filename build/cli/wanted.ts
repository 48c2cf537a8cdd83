import { badInput } from '../../sdk/lib/errors.ts';
import { nearNames } from '../../sdk/lib/near.ts';
import type { Target } from '../graph/target.ts';
import { imageNames, type LoadedImage, loadImage, targetsByName, targetsOf } from '../product/images.ts';

/** What the user asked for, resolved. */
export interface Wanted {
  readonly targets: readonly Target[];
  /** Images asked for by name: all their default artifacts. */
  readonly whole: readonly LoadedImage[];
  /** Single artifacts asked for: `n100:uki`. */
  readonly single: readonly { readonly image: LoadedImage; readonly artifact: string }[];
}

/** Turns names into targets. An image is loaded only when it may have what is asked for. */
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

/** Finds names among images, artifacts and all targets they need. Throws badInput, with near names, for any other. */
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

/** What `build IMAGE` makes. */
export function wholeTargets(image: LoadedImage): readonly Target[] {
  const artifacts = Object.values(image.artifacts).filter(({ byDefault }) => byDefault);
  return [...artifacts.map(({ target }) => target), image.usrHash, image.tree];
}

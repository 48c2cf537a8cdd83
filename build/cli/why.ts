import { badInput } from '../../sdk/lib/errors.ts';
import { nearNames } from '../../sdk/lib/near.ts';
import { lockedSet, readLock } from '../debian/lock.ts';
import { shownLock } from '../debian/lock-path.ts';
import type { PackageSet } from '../debian/set.ts';
import { whyPackage } from '../debian/why.ts';
import { imageNames, readImage } from '../product/images.ts';
import { print, printJson } from './print.ts';
import { whyPath } from './why-path.ts';

/** The options of `why`, besides the image and the package or path. */
export interface WhyOptions {
  /** Every set that the lock pins. */
  readonly sets: readonly PackageSet[];
  readonly json: boolean;
}

/** `why IMAGE PACKAGE`: the chains from the roots to the package, from the lock alone. */
export async function printWhy(image: string, what: string, { sets, json }: WhyOptions): Promise<void> {
  const lock = await readLock(shownLock());
  const images = imageNames();
  // An image may be named otherwise than its set.
  const setName = images.includes(image) ? (await readImage(image)).set : image;
  const set = sets.find(({ name }) => name === setName);
  if (set === undefined && !lock.sets.has(setName)) {
    const plain = image.replace(/-dev$/, '');
    if (plain !== image && images.includes(plain))
      throw badInput(`${image} has the packages of ${plain}`, { hint: `./draisine why ${plain} ${what}` });
    throw badInput(`there is no image or package set ${JSON.stringify(image)}`, {
      hint: nearNames(image, [...images, ...sets.map(({ name }) => name)]),
    });
  }
  const why = whyPackage(image, lockedSet(lock, setName), what, set);
  if (json) printJson(why);
  else print(why.lines.join('\n'));
}

/** `why IMAGE PATH`: which package, overlay or fix-up brought a file, or which trim took it. */
export async function printWhyPath(image: string, path: string, { sets, json }: WhyOptions): Promise<void> {
  const why = await whyPath(image, path, sets);
  if (json) printJson(why);
  else print(why.lines.join('\n'));
}

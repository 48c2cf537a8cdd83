import { type Lock, type LockedPackage, lockedSet } from '../debian/lock.ts';
import type { Target } from '../graph/target.ts';
import type { About } from './about.ts';
import type { Image } from './image.ts';
import { cyclonedx, pinOf, sbom } from './sbom.ts';

/** A package whose files are in an image, and the set that pins it. */
interface Shipped {
  readonly set: string;
  readonly pin: LockedPackage;
}

/** The packages of an image: those of its set, and those of its firmware and microcode. */
export function shippedPackages({ set, firmware }: Image, lock: Lock): readonly Shipped[] {
  const own = lockedSet(lock, set).map((pin) => ({ set, pin }));
  const wanted = new Set([...firmware.packages, ...firmware.microcode.map((each) => each.package)]);
  for (const { pin } of own) wanted.delete(pin.name);
  const others = wanted.size === 0 ? [] : lockedSet(lock, firmware.set);
  const pins = [...wanted].flatMap((name) => others.filter((pin) => pin.name === name));
  return [...own, ...pins.map((pin) => ({ set: firmware.set, pin }))];
}

/** The bill of materials in both forms: the packages of the image, and those that recipes build from. */
export function bill({ image, named, packages, lock, version, epoch }: About): {
  sbom: Target;
  cyclonedx: Target;
} {
  const { built } = image.kernel;
  const pinned = (set: string, name: string) => lockedSet(lock, set).filter((each) => each.name === name);
  const shipped = shippedPackages(image, lock);
  const inputs = {
    name: image.name,
    version,
    epoch,
    packages: shipped.map(({ set, pin }) => packages.package(set, pin.name)),
    pins: shipped.map(({ pin }) => pinOf(pin)),
    built: built.map((each) => each.name),
    builtFrom: built.map((each) => packages.package(each.set, each.package)),
    builtPins: built.flatMap((each) => pinned(each.set, each.package).map(pinOf)),
  };
  return { sbom: sbom(named('sbom'), inputs), cyclonedx: cyclonedx(named('cyclonedx'), inputs) };
}

import { lockedSet } from '../debian/lock.ts';
import type { Target } from '../graph/target.ts';
import type { About } from './about.ts';
import { cyclonedx, pinOf, sbom } from './sbom.ts';

/** The bill of materials in both forms: the packages of the image's set, of its firmware, and those that recipes build from. */
export function bill({ image, named, packages, lock, version, epoch }: About): {
  sbom: Target;
  cyclonedx: Target;
} {
  const { firmware, kernel } = image;
  const firmwareNames = [
    ...new Set([...firmware.packages, ...firmware.microcode.map((each) => each.package)]),
  ];
  const pinned = (set: string, name: string) => lockedSet(lock, set).filter((each) => each.name === name);
  const inputs = {
    name: image.name,
    version,
    epoch,
    packages: [
      ...packages.packages(image.set),
      ...firmwareNames.map((name) => packages.package(firmware.set, name)),
    ],
    pins: [...lockedSet(lock, image.set), ...firmwareNames.flatMap((name) => pinned(firmware.set, name))].map(
      pinOf,
    ),
    built: kernel.built.map((each) => each.name),
    builtFrom: kernel.built.map((each) => packages.package(each.set, each.package)),
    builtPins: kernel.built.flatMap((each) => pinned(each.set, each.package).map(pinOf)),
  };
  return { sbom: sbom(named('sbom'), inputs), cyclonedx: cyclonedx(named('cyclonedx'), inputs) };
}

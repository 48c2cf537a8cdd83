import type { PackageSet } from '../../build/debian/set.ts';

/** Ignition's own validator, which checks configs, and its source with the schemas of the specs. */
export const ignitionOracle: PackageSet = { name: 'ignition', include: ['ignition'], sources: ['ignition'] };

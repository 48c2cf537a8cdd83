import type { PackageSet } from '../../build/debian/set.ts';

/** Ignition's own validator, which judges configs, and its source, which has the schemas of the specs. */
export const ignitionOracle: PackageSet = { name: 'ignition', include: ['ignition'], sources: ['ignition'] };

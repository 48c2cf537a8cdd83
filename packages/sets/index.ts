import type { PackageSet } from '../../build/debian/set.ts';
import { ignitionOracle } from './ignition.ts';
import { firmware, kernelSource } from './kernel.ts';
import { n100, ociBusybox, small, zfsBuild } from './n100.ts';
import { sdkCompile, sdkImage, sdkQemu, sdkXz } from './sdk.ts';

/** Every set the lock pins. */
export const sets: readonly PackageSet[] = [
  firmware,
  ignitionOracle,
  kernelSource,
  n100,
  ociBusybox,
  sdkCompile,
  sdkImage,
  sdkQemu,
  sdkXz,
  small,
  zfsBuild,
];

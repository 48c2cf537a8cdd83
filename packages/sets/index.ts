import type { PackageSet } from '../../build/debian/set.ts';
import { ignitionOracle } from './ignition.ts';
import { debianHeaders, firmware, kernelSource, zfsSource } from './kernel.ts';
import { generic, n100, ociBusybox, small } from './n100.ts';
import {
  sdkBox,
  sdkCheck,
  sdkCompile,
  sdkFsck,
  sdkImage,
  sdkQemu,
  sdkRegistry,
  sdkServe,
  sdkWeb,
  sdkXz,
} from './sdk.ts';

/** Sets of tools and sources for builds. All other sets are parts of images. */
const tools: readonly PackageSet[] = [
  kernelSource,
  sdkBox,
  sdkCheck,
  sdkCompile,
  sdkImage,
  sdkQemu,
  sdkFsck,
  sdkRegistry,
  sdkServe,
  sdkWeb,
  sdkXz,
];

/** Their names. `lock --update --images` keeps them, `lock --update --tools` updates only them. */
export const toolSets: readonly string[] = tools.map(({ name }) => name);

/** Every set in the lock. */
export const sets: readonly PackageSet[] = [
  debianHeaders,
  firmware,
  generic,
  ignitionOracle,
  n100,
  ociBusybox,
  small,
  zfsSource,
  ...tools,
];

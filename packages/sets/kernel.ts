import type { PackageSet } from '../../build/debian/set.ts';

/** What the kernel recipe compiles: Debian's patched source, as the security team ships it. Unpacked, never resolved. */
export const kernelSource: PackageSet = {
  name: 'kernel-source',
  include: ['linux-source-6.12'],
  closure: 'roots',
};

/** What processors and devices are given at boot; of each, images take what they name or what their modules ask for. */
export const firmware: PackageSet = {
  name: 'firmware',
  include: ['intel-microcode', 'firmware-realtek', 'firmware-intel-graphics'],
  closure: 'roots',
};

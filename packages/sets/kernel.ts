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
  include: ['intel-microcode', 'amd64-microcode', 'firmware-realtek', 'firmware-intel-graphics'],
  closure: 'roots',
};

/** What the zfs recipe compiles. Unpacked, never resolved. */
export const zfsSource: PackageSet = { name: 'zfs-source', include: ['zfs-dkms'], closure: 'roots' };

/** The headers of Debian's kernel, to compile ZFS against. */
export const debianHeaders: PackageSet = {
  name: 'debian-headers',
  include: ['linux-headers-amd64'],
  drop: [
    { package: 'initramfs-tools', reason: 'no initrd is made here' },
    { package: 'linux-initramfs-tool', reason: 'no initrd is made here' },
    { package: 'linux-base', reason: 'kernel symlink scripts' },
    { package: 'gcc-14', reason: 'the compiler is the SDK’s' },
    { package: 'pahole', reason: 'no BTF is made for ZFS' },
  ],
};

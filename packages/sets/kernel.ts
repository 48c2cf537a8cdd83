import type { PackageSet } from '../../build/debian/set.ts';

/**
 * Source for the kernel recipe: Debian's patched kernel, from the security team. It is unpacked, never
 * resolved.
 */
export const kernelSource: PackageSet = {
  name: 'kernel-source',
  include: ['linux-source-6.12'],
  closure: 'roots',
};

/** Microcode and firmware. An image takes the files that it names or that its modules ask for. */
export const firmware: PackageSet = {
  name: 'firmware',
  include: ['intel-microcode', 'amd64-microcode', 'firmware-realtek', 'firmware-intel-graphics'],
  closure: 'roots',
};

/** Source for the zfs recipe. It is unpacked, never resolved. */
export const zfsSource: PackageSet = { name: 'zfs-source', include: ['zfs-dkms'], closure: 'roots' };

/** The headers of Debian's kernel, for compiling ZFS. */
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

import type { Kernel } from '../../build/image/image.ts';
import { builtinList } from '../../build/image/root.ts';
import { zfsModules } from '../zfs/recipe.ts';

const PACKAGE = /^linux-image-\d.*-amd64$/;

/** Debian's own signed kernel from the package set `set`, with ZFS built against its headers. */
export function debianKernel(set: string, modules: readonly string[]): Kernel {
  return {
    modules: [...modules, 'zfs', 'spl'],
    signed: false,
    built: [{ name: 'zfs-modules', set: 'zfs-source', package: 'zfs-dkms' }],
    from: (packages) => {
      const name = packages.nameOf(set, PACKAGE);
      const zfs = zfsModules('zfs-debian', {
        compiler: packages.tools('sdk-compile', 'zfs-source', 'debian-headers'),
        sandbox: packages.tools('sdk-image'),
        headers: null,
      });
      const kernel = packages.package(set, name);
      return {
        kernel,
        drivers: builtinList('builtin-modules-debian', { kernel }),
        release: name.replace(/^linux-image-/, ''),
        extraModules: [zfs],
      };
    },
  };
}

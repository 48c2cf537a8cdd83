import { source } from '../../build/graph/target.ts';
import type { Kernel } from '../../build/image/image.ts';
import { zfsModules } from '../zfs/recipe.ts';

/** Debian's own signed kernel, with ZFS built against its headers. */
export function debianKernel(modules: readonly string[]): Kernel {
  return {
    package: /^linux-image-\d.*-amd64$/,
    modules: [...modules, 'zfs', 'spl'],
    built: [{ name: 'zfs-modules', set: 'zfs-build', package: 'zfs-dkms' }],
    extraModules: (packages) => [
      zfsModules('zfs', {
        compiler: packages.tools('sdk-compile', 'zfs-build'),
        sandbox: packages.tools('sdk-image'),
        script: source('packages/zfs/build.sh'),
      }),
    ],
  };
}

import type { Kernel } from '../../build/image/image.ts';
import { zfsModules } from '../zfs/recipe.ts';
import type { ConfigGroup } from './config/group.ts';
import { kernelHeaders } from './headers.ts';
import { kernelBuild, kernelConfig, kernelDrivers } from './recipe.ts';

const SET = 'kernel-source';
const PACKAGE = 'linux-source-6.12';

/**
 * A kernel from Debian's source with the options of `groups` only, and ZFS. `name` is part of the names of its targets,
 * and of its release: 6.12.118-NAME.
 */
export function ownKernel(name: string, groups: readonly ConfigGroup[]): Kernel {
  return {
    modules: 'all',
    signed: true,
    built: [
      { name: `linux-${name}`, set: SET, package: PACKAGE },
      { name: 'zfs-modules', set: 'zfs-source', package: 'zfs-dkms' },
    ],
    from: (packages, certificate) => {
      const version = packages.version(SET, PACKAGE);
      // uname(1) does not show Debian's revision.
      const release = `${version.replace(/-[^-]*$/, '')}-${name}`;
      const tools = {
        compiler: packages.tools('sdk-compile'),
        sandbox: packages.tools('sdk-image'),
        source: packages.tools(SET),
      };
      const config = kernelConfig(name, tools, [
        ...groups,
        { name: 'release', reason: 'RELEASE-NAME', values: { LOCALVERSION: `-${name}` } },
      ]);
      const kernel = kernelBuild(name, tools, { config, certificate, version });
      const headers = kernelHeaders(`kernel-headers-${name}`, { kernel });
      const zfs = zfsModules(`zfs-${name}`, {
        compiler: packages.tools('sdk-compile', 'zfs-source'),
        sandbox: packages.tools('sdk-image'),
        headers,
      });
      return {
        kernel,
        drivers: kernelDrivers(name, tools, config, release),
        release,
        extraModules: [zfs],
        signer: { headers, compiler: tools.compiler, sandbox: tools.sandbox },
      };
    },
  };
}

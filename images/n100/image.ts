import type { Image } from '../../build/image/image.ts';
import { boxFiles } from '../../packages/box/image.ts';
import { n100Firmware } from '../../packages/firmware.ts';
import { netbootPlan, nicModules } from '../../packages/initrd/netboot.ts';
import { initrdPlan } from '../../packages/initrd/plan.ts';
import { n100Config } from '../../packages/kernel/config/index.ts';
import { ownKernel } from '../../packages/kernel/n100.ts';
import { n100, ociBusybox } from '../../packages/sets/n100.ts';
import { builtinModules, fixups, replaces } from '../../packages/system/fixups.ts';
import { trims } from '../../packages/system/trims.ts';
import { groups, unusedAccounts, users } from '../../packages/system/users.ts';

const MiB = 1 << 20;

/** Intel N100 mini PCs and home NAS boxes: containers, ZFS, four ports. */
const image: Image = {
  name: 'n100',
  set: n100.name,
  kernel: ownKernel('n100', n100Config),
  firmware: n100Firmware,
  overlays: [{ name: 'system', replaces }],
  made: boxFiles,
  trims,
  settled: [],
  accounts: { users, groups, unused: unusedAccounts },
  fixups: { ...fixups, links: { ...fixups.links, ...builtinModules } },
  // What it boots from is in the kernel.
  initrd: { plan: initrdPlan, modules: [] },
  netboot: { plan: netbootPlan, modules: nicModules },
  cmdline: [
    'mount.usr=/dev/mapper/usr',
    'mount.usrfstype=erofs',
    'mount.usrflags=ro,x-systemd.device-timeout=5min',
    'console=tty0',
    'console=ttyS0,115200n8',
    'quiet',
    'panic=10',
    // What a power cut left of a file system is mended without a question: nobody is there to answer it.
    'fsck.repair=yes',
  ],
  profiles: [
    {
      id: 'disk',
      title: 'state on this disk',
      cmdline: [
        'root=/dev/disk/draisine/state',
        'rootfstype=ext4',
        // The first boot makes the partition; systemd's own 90 s begin before that, and are short for a busy host.
        'rootflags=x-systemd.device-timeout=5min,errors=remount-ro',
        'rw',
      ],
    },
    { id: 'live', title: 'live, state in RAM', cmdline: ['root=tmpfs'] },
    { id: 'install', title: 'install on a disk', cmdline: ['root=tmpfs', 'draisine.install'] },
  ],
  menuSeconds: 2,
  partitions: { esp: 512 * MiB, usr: 512 * MiB, verity: 16 * MiB },
  compression: 'zstd',
  testImages: [{ name: 'oci-busybox', set: ociBusybox.name, entrypoint: ['/bin/sh'] }],
};

export default image;

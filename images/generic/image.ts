import type { Image } from '../../build/image/image.ts';
import { genericFirmware } from '../../packages/firmware.ts';
import { netbootPlan, nicModules } from '../../packages/initrd/netboot.ts';
import { initrdPlan } from '../../packages/initrd/plan.ts';
import { debianKernel } from '../../packages/kernel/debian.ts';
import { generic } from '../../packages/sets/n100.ts';
import { fixups } from '../../packages/system/fixups.ts';
import { initrdModules, modules } from '../../packages/system/modules.ts';
import { kernelTrims, trims } from '../../packages/system/trims.ts';
import n100 from '../n100/image.ts';

/** The same system with Debian's own kernel: any x86-64 machine with UEFI. */
const image: Image = {
  ...n100,
  name: 'generic',
  set: generic.name,
  kernel: debianKernel(generic.name, modules),
  firmware: genericFirmware,
  trims: [...trims, ...kernelTrims],
  fixups,
  initrd: { plan: initrdPlan, modules: initrdModules },
  netboot: { plan: netbootPlan, modules: [...nicModules, 'virtio_net'] },
};

export default image;

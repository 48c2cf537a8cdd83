import type { Image } from '../../build/image/image.ts';
import { videoFirmware } from '../../packages/firmware.ts';
import { n100VideoConfig } from '../../packages/kernel/config/index.ts';
import { ownKernel } from '../../packages/kernel/n100.ts';
import n100 from '../n100/image.ts';

/** n100 with the SoC's graphics: /dev/dri for containers that transcode. Its kernel is another one: i915 is large. */
const image: Image = {
  ...n100,
  name: 'n100-video',
  kernel: ownKernel('n100-video', n100VideoConfig),
  firmware: videoFirmware,
};

export default image;

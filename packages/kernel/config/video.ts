import type { ConfigGroup } from './group.ts';

/** The SoC's graphics, for an image with containers that transcode video (/dev/dri). */
export const video: ConfigGroup = {
  name: 'video',
  reason:
    'i915 drives the SoC’s media engines; it is a module with its firmware, because it is larger than any other driver',
  modules: 'DRM_I915',
};

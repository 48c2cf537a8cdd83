import type { ConfigGroup } from './group.ts';

/** For an image that transcodes: the SoC's graphics, as /dev/dri for a container. */
export const video: ConfigGroup = {
  name: 'video',
  reason:
    'the SoC’s media engines through i915; as a module, with its firmware, since it is larger than all others',
  modules: 'DRM_I915',
};

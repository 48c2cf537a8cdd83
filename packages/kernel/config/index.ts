import { core } from './core.ts';
import type { ConfigGroup } from './group.ts';
import { hardening } from './hardening.ts';
import { hardware } from './hardware.ts';
import { services } from './services.ts';
import { video } from './video.ts';

/** The kernel of an N100 box. */
export const n100Config: readonly ConfigGroup[] = [...core, ...hardware, ...services, ...hardening];

/** With graphics, for transcoding. */
export const n100VideoConfig: readonly ConfigGroup[] = [...n100Config, video];

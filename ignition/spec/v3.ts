import { KEYS, SINCE } from './generated.ts';
import { shapeOf } from './shape.ts';

/** The newest stable spec version of the shipped Ignition, which is what everything is compiled to. */
export const VERSION = '3.3.0';

/** The keys of a config of spec 3.3; each says since when it is one. */
export const configShape = shapeOf(KEYS, SINCE);

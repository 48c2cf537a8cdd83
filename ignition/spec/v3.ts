import { KEYS, SINCE } from './generated.ts';
import { shapeOf } from './shape.ts';

/** The newest stable spec version of the shipped Ignition. All configs are compiled to it. */
export const VERSION = '3.3.0';

/** The keys of a config of spec 3.3, each with the version that added it. */
export const configShape = shapeOf(KEYS, SINCE);

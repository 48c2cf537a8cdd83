/** One step of a path in a config: an object key or an index. */
export type Step = string | number;

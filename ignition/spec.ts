/** The type of a config in spec 3.3, generated from the schema of the pinned source package. */
export type { Config as SpecConfig } from './spec/generated.ts';

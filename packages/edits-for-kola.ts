/** The modules of packages/ that the VM test of random edits may import: the edits and the model of the unit tests. */
export { editsOf, REAL, REAL_RELEASE } from './box/apply/testing/edits.ts';
export { type Config, provision } from './box/apply/testing/world.ts';

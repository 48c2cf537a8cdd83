import { Failure } from '../../../sdk/lib/errors.ts';

/** A test could not be run, or not to its end, because of the host or the harness: what is under test had no part in it. */
export class Trouble extends Failure {}

import { Failure } from '../../../sdk/lib/errors.ts';

/** A fault of the host or of the harness: a test could not run, or not to its end. It says nothing about the image. */
export class Trouble extends Failure {}

import { Failure } from '../../../sdk/lib/errors.ts';

/** A test could not be run, or not to its end, because of the host or the harness. It says nothing about the image. */
export class Trouble extends Failure {}

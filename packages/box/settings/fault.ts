import { BoxError } from '../io/box.ts';
import type { Field } from '../io/fields.ts';

/** A reader of a document. */
export type Reader = (root: Field) => unknown;

/**
 * The fault that a reader of the box finds in a document; undefined if there is none. A machine config is checked
 * with it when it is compiled. `at`: the place of the document in the machine config.
 */
export function faultOf(document: unknown, at: string, read: Reader): string | undefined {
  try {
    read({ value: document, at });
    return undefined;
  } catch (error) {
    if (error instanceof BoxError) return error.message;
    throw error;
  }
}

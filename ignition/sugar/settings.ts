import { faultOf, type Reader } from '../../packages/box/settings/fault.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { file } from './file.ts';
import type { Fragment } from './fragment.ts';

/**
 * A JSON file that code of the box reads. The box's own reader checks it, so a machine config cannot have settings that
 * the box refuses. `where`: their place in the machine config.
 */
export function settings(
  path: string,
  document: object,
  where: string,
  read: Reader,
  { mode, indent }: { readonly mode?: number; readonly indent?: number } = {},
): Fragment {
  const text = JSON.stringify(document, null, indent);
  const fault = faultOf(JSON.parse(text), where, read);
  if (fault !== undefined) throw badInput(fault, { where });
  return file(path, { contents: `${text}\n`, ...(mode === undefined ? {} : { mode }) });
}

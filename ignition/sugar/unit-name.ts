import { unitEscape } from '../../packages/box/settings/storage.ts';
import { cleanPath } from '../base/clean-path.ts';

/** A path as a unit name: `/var/lib` is `var-lib`, `/` is `-`. */
export function unitPath(path: string): string {
  const inner = cleanPath(`/${path}`).slice(1);
  return inner === '' ? '-' : unitEscape(inner);
}

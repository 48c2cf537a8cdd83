import type { MadeFile } from '../../build/image/image.ts';
import { boxBundle } from './bundle.ts';

/**
 * The files of an image that come from this folder. /usr/bin/draisine and /usr/sbin/draisine-install run
 * them.
 */
export const boxFiles: readonly MadeFile[] = [
  {
    path: 'usr/lib/draisine/box.js',
    mode: 0o644,
    from: (name, at) => boxBundle(name, { box: at('packages/box'), format: at('build/release/format') }),
  },
];

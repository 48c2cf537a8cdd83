import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { recipe, type Target } from '../graph/target.ts';
import { treeToCpio } from '../tree/cpio.ts';
import type { Entry } from '../tree/entry.ts';

/** A cpio archive of some files. It is not compressed, because the files are. `names`: their paths, in the order of `files`. */
export const filesInitrd = recipe<{
  files: readonly Target[];
  names: readonly string[];
  epoch: number;
}>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs: { files, names, epoch }, out, blob, signal }) {
    const entries = files.map(({ digest, size }, index): Entry => {
      const content = { blob: digest, offset: 0, size, sha256: digest };
      const path = names[index];
      if (path === undefined) throw new Error('a file without a name');
      return { type: 'file', path, mode: 0o444, uid: 0, gid: 0, origin: path, content };
    });
    await pipeline(treeToCpio({ entries }, { blobPath: blob, mtime: epoch }), createWriteStream(out), {
      signal,
    });
  },
});

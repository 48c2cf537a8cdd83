import { writeFile } from 'node:fs/promises';
import { recipe, type Target } from '../graph/target.ts';

/** For tests: a file with this text. */
export const write = recipe<{ text: string }>({
  from: import.meta.url,
  kind: 'file',
  run: ({ inputs, out }) => writeFile(out, inputs.text),
});

/** For tests: a file with the digest of another. */
export const wrap = recipe<{ of: Target }>({
  from: import.meta.url,
  kind: 'file',
  run: ({ inputs, out }) => writeFile(out, inputs.of.digest),
});

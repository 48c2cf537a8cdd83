import { badInput, type Failure } from '../../sdk/lib/errors.ts';

/** Refuses empty folders as inputs: git does not keep them, so a clone would build something else. */
export function emptyFolder(path: string): Failure {
  return badInput(
    'an empty folder cannot be an input: git does not keep it, so a clone would build something else',
    {
      where: path,
      hint: 'remove it; a folder that shall exist on the machine is a line in tmpfiles.d',
    },
  );
}

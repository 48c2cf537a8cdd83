import { badInput, type Failure } from '../../sdk/lib/errors.ts';

/** git keeps no empty folder: with one as input, a checkout and its clone would build different things. */
export function emptyFolder(path: string): Failure {
  return badInput(
    'an empty folder is no input: git does not keep it, so a clone would build something else',
    {
      where: path,
      hint: 'remove it; a folder that shall exist on the machine is a line in tmpfiles.d',
    },
  );
}

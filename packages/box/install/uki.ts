import { sha256Of } from '../disk/esp.ts';
import { ukiRootHash } from '../disk/pe.ts';
import { type Box, BoxError, mustRun, whyFailed } from '../io/box.ts';
import { kernelArgument, kernelWords } from './options.ts';

/** Left by the initrd (packages/overlays/initrd/usr/lib/draisine/usr), or fetched. */
const UKI = '/run/draisine/uki.efi';

/** The UKI of this very /usr: fetched, or left by the initrd (of an ISO, on its ESP), or on the ESP this was booted from. */
export function findUki(
  box: Box,
  rootHash: string,
  medium: string | undefined,
  say: (line: string) => void,
): string {
  fetchUki(box, say);
  const folder = `${medium}/EFI/Linux`;
  const onMedium =
    medium === undefined || box.stat(folder) === undefined
      ? []
      : box.list(folder).flatMap((name) => (name.endsWith('.efi') ? [`${folder}/${name}`] : []));
  const found = [UKI, ...onMedium].find((path) => hashOf(box, path) === rootHash);
  if (found === undefined)
    throw new BoxError(
      'the unified kernel image of this release is not to be found: is the medium still in?',
    );
  return found;
}

function hashOf(box: Box, path: string): string | undefined {
  if (box.stat(path)?.type !== 'file') return undefined;
  const file = box.open(path, 'read');
  try {
    return ukiRootHash(file);
  } finally {
    file.close();
  }
}

/**
 * draisine.uki=URL draisine.uki.sha256=HEX of the kernel command line: where a machine that was booted from the network
 * finds the UKI of its release.
 */
function fetchUki(box: Box, say: (line: string) => void): void {
  const words = kernelWords(box);
  const url = kernelArgument(words, 'draisine.uki') ?? '';
  const sum = kernelArgument(words, 'draisine.uki.sha256') ?? '';
  if (url === '' || box.stat(UKI) !== undefined) return;
  if (sum === '') throw new BoxError('draisine.uki= without draisine.uki.sha256= on the kernel command line');
  say(`fetching ${url}`);
  const fetched = `${UKI}.new`;
  const command = ['curl', '--silent', '--show-error', '--fail', '--location', '--proto', '=http,https'];
  const patience = ['--retry', '5', '--retry-connrefused', '--connect-timeout', '30', '--speed-limit', '1'];
  const ran = box.run([...command, ...patience, '--speed-time', '30', '--output', fetched, url]);
  if (ran.code !== 0) throw new BoxError(`cannot fetch ${url}: ${whyFailed(['curl'], ran)}`);
  if (sha256Of(box, fetched) !== sum)
    throw new BoxError(`${url} is another file than the one with SHA-256 ${sum}`);
  mustRun(box, 'cannot keep it', ['mv', fetched, UKI]);
}

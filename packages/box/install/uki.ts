import { sha256Of } from '../disk/esp.ts';
import { ukiRootHash } from '../disk/pe.ts';
import { type Box, BoxError, mustRun, whyFailed } from '../io/box.ts';
import { kernelArgument, kernelWords } from './options.ts';

/**
 * The initrd leaves the UKI there (packages/overlays/initrd/usr/lib/draisine/usr), or it is fetched to there.
 */
const UKI = '/run/draisine/uki.efi';

/**
 * The UKI that belongs to the running /usr: a fetched one, one that the initrd left (of an ISO, on its ESP),
 * or one on the boot disk's ESP.
 */
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
      'cannot find the unified kernel image of this release: is the medium still plugged in?',
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
 * draisine.uki=URL draisine.uki.sha256=HEX on the kernel command line: the UKI for a machine that was booted
 * over the network.
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
  if (sha256Of(box, fetched) !== sum) throw new BoxError(`${url} does not have the SHA-256 ${sum}`);
  mustRun(box, 'cannot store the fetched UKI', ['mv', fetched, UKI]);
}

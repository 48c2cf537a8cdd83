import { badInput } from '../../sdk/lib/errors.ts';
import { log } from '../../sdk/lib/log.ts';
import { sdkTree } from '../image/sdk.ts';
import { keysFolder, makeKeys, moduleCertificate, parseCertificate } from '../keys/keys.ts';

/** `keys init` */
export async function keysInit(): Promise<void> {
  await makeKeys(await sdkTree('sdk-image'));
  log(
    `made ${keysFolder()}: keep it, and keep it secret; a kernel loads only modules signed with its own key`,
  );
}

/**
 * What a build does that needs a key where there never was one: makes it, so that a fresh machine builds. A folder that
 * somebody named must have its keys.
 */
export async function ensureKeys(): Promise<void> {
  if ((await moduleCertificate()) !== undefined) return;
  if (process.env.DRAISINE_KEYS) {
    throw badInput('there is no key to sign kernel modules with', {
      where: `DRAISINE_KEYS=${process.env.DRAISINE_KEYS}`,
      hint: 'put modules.key and modules.crt there, or make them: ./draisine keys init',
    });
  }
  log('no key to sign kernel modules with yet');
  await keysInit();
}

/** `keys show` */
export async function keysShow({ json }: { readonly json?: boolean }): Promise<void> {
  const folder = keysFolder();
  const certificate = await moduleCertificate();
  if (certificate === undefined) {
    throw badInput('there are no keys', { where: folder, hint: './draisine keys init' });
  }
  const { subject, serialNumber, fingerprint256, validFrom, validTo } = parseCertificate(certificate);
  const shown = { folder, subject, serialNumber, fingerprint256, validFrom, validTo };
  process.stdout.write(
    json
      ? `${JSON.stringify(shown, null, 2)}\n`
      : Object.entries(shown)
          .map(([name, value]) => `${name.padEnd(15)} ${value}\n`)
          .join(''),
  );
}

import { type Box, mustRun, readTextIfThere } from '../io/box.ts';
import { copyFile, sha256Of } from './esp.ts';

const EFIVARS = '/sys/firmware/efi/efivars';
/** Vendor UUID of systemd-boot's variables (https://systemd.io/BOOT_LOADER_INTERFACE). */
const LOADER = '4a67b082-0a4c-41cf-b6c7-440b29bb8c4f';
/** Folder of systemd-boot in the image, from which bootctl installs. */
export const BOOT_LOADERS = '/usr/lib/systemd/boot/efi';
/** Path of systemd-boot in the image, and its two paths on the ESP, where the firmware looks. */
const SYSTEMD_BOOT = `${BOOT_LOADERS}/systemd-bootx64.efi`;
const INSTALLED = ['EFI/systemd/systemd-bootx64.efi', 'EFI/BOOT/BOOTX64.EFI'];

/** Whether the boot loader has set an EFI variable with this name (Boot Loader Interface). */
export function hasLoaderVariable(box: Box, name: string): boolean {
  return box.stat(`${EFIVARS}/${name}-${LOADER}`) !== undefined;
}

/**
 * Removes a default entry that somebody chose in the menu or with bootctl: it would be booted even without
 * tries, or instead of the release on trial.
 */
export function clearLoaderChoice(box: Box): void {
  for (const [name, verb] of [
    ['LoaderEntryDefault', 'set-default'],
    ['LoaderEntryOneShot', 'set-oneshot'],
  ] as const) {
    if (!hasLoaderVariable(box, name)) continue;
    mustRun(box, `cannot clear ${name}`, ['bootctl', verb, '']);
    box.log(
      'notice',
      `${name} of the firmware was cleared, because it has precedence over a release on trial`,
    );
  }
}

/** Removes `default` from loader.conf(5). Then the order of the entries decides (build/boot/uki.ts). */
export function dropDefaultEntry(box: Box, esp: string): void {
  const path = `${esp}/loader/loader.conf`;
  const lines = (readTextIfThere(box, path) ?? '').split('\n');
  const kept = lines.filter((line) => !/^\s*default\s/.test(line));
  if (kept.length === lines.length) return;
  box.writeFile(path, kept.join('\n'));
  box.log(
    'notice',
    'the default entry in loader.conf was removed, because it has precedence over a release on trial',
  );
}

/**
 * Puts the boot loader of the running release on the mounted ESP, also over a newer one. After a power cut there is the
 * old one or the new one at each path. `bootctl install` does not promise that: it does not flush the name of its copy.
 */
export function putBootLoader(box: Box, esp: string): void {
  for (const name of INSTALLED) copyFile(box, SYSTEMD_BOOT, `${esp}/${name}`);
}

/**
 * Installs the boot loader of the running release on the mounted ESP. The old copy stays beside it as `.old`.
 */
export function updateBootLoader(box: Box, esp: string): boolean {
  const wanted = sha256Of(box, SYSTEMD_BOOT);
  const old = INSTALLED.map((name) => `${esp}/${name}`).filter(
    (path) => box.stat(path) !== undefined && sha256Of(box, path) !== wanted,
  );
  for (const path of old) {
    copyFile(box, path, `${path}.old`);
    copyFile(box, SYSTEMD_BOOT, path);
  }
  return old.length > 0;
}

import { compareVersions } from '../../../build/release/format/version.ts';
import { type Box, BoxError, orLog, whyFailed } from '../io/box.ts';
import { listUkis, renameUki, ukiName, withEsp } from './esp.ts';
import { otherSlot, slotHolds } from './inspect.ts';
import { hasLoaderVariable, updateBootLoader } from './loader.ts';
import type { DraisineDisk, InstalledUki, Slot } from './model.ts';
import { withMounted } from './mount.ts';
import { slotIsWhole, TRIES } from './stage.ts';

/*
 * Boot counting: systemd-boot takes a try from the name of an entry before it boots it. An entry without
 * tries comes after all others (https://systemd.io/AUTOMATIC_BOOT_ASSESSMENT). The functions here mark a boot
 * as good or bad.
 */

const BLESS = '/usr/lib/systemd/systemd-bless-boot';

/** The UKIs of a disk. */
export function installedUkis(box: Box, disk: DraisineDisk): InstalledUki[] {
  return withMounted(box, disk.esp.device, 'read', (esp) => listUkis(box, esp));
}

/** The UKI that was booted. If two have the same root hash, it is the counted one. */
export function runningUki(ukis: readonly InstalledUki[], runningHash: string): InstalledUki | undefined {
  const same = ukis.filter(({ rootHash }) => rootHash === runningHash);
  return same.find(({ left }) => left !== undefined) ?? same[0];
}

/** The release in the other slot, if it can be booted: its UKI is there and belongs to the slot. */
export function fallback(
  disk: DraisineDisk,
  ukis: readonly InstalledUki[],
): { readonly slot: Slot; readonly uki: InstalledUki } | undefined {
  const slot = otherSlot(disk);
  if (slot.version === undefined) return undefined;
  const uki = ukis.find(({ rootHash }) => rootHash !== undefined && slotHolds(slot, rootHash));
  return uki ? { slot, uki } : undefined;
}

/**
 * On the first boot of a trial. If the firmware could not rename the entry, this function counts the try.
 * Returns the tries left; undefined if this boot is not on trial.
 */
export function countTry(box: Box, disk: DraisineDisk, runningHash: string): number | undefined {
  const uki = runningUki(installedUkis(box, disk), runningHash);
  if (uki?.left === undefined) return undefined;
  if (hasLoaderVariable(box, 'LoaderBootCountPath')) return uki.left;
  const left = Math.max(uki.left - 1, 0);
  withEsp(box, disk.esp.device, (esp) =>
    renameUki(box, esp, uki.file, ukiName(uki.version, left, (uki.done ?? 0) + 1)),
  );
  box.log('warning', 'the firmware does not count boots: it cannot rename files');
  return left;
}

/**
 * Commits the running release: its name loses the counter. The release's boot loader is installed; the old one
 * also boots the release, so a failure is no reason against the commit.
 */
export function markGood(box: Box, disk: DraisineDisk, runningHash: string): void {
  assess(box, disk, runningHash, 'good', ({ version }) => ukiName(version));
  orLog(box, 'warning', 'the boot loader was not updated', () =>
    withEsp(box, disk.esp.device, (esp) => {
      if (updateBootLoader(box, esp)) box.log('notice', 'the boot loader was updated');
    }),
  );
}

/** Rejects the running release: it has no tries left, so the next boot takes the other slot. */
export function markBad(box: Box, disk: DraisineDisk, runningHash: string): void {
  assess(box, disk, runningHash, 'bad', ({ version, done }) => ukiName(version, 0, Math.max(done ?? 0, 1)));
}

/** Uses systemd-bless-boot(8). If the firmware does not say what it booted, the entry is renamed here. */
function assess(
  box: Box,
  disk: DraisineDisk,
  runningHash: string,
  verdict: 'good' | 'bad',
  nameFor: (uki: InstalledUki) => string,
): void {
  withEsp(box, disk.esp.device, (esp) => {
    const running = () => mustRunFrom(listUkis(box, esp), runningHash, disk);
    const before = running();
    if (before.file === nameFor(before)) return;
    if (hasLoaderVariable(box, 'LoaderBootCountPath')) {
      const command = [BLESS, `--path=${esp}`, verdict];
      const ran = box.run(command);
      if (ran.code !== 0) box.log('warning', `${whyFailed(command, ran)}; renaming the entry without it`);
    }
    const after = running();
    renameUki(box, esp, after.file, nameFor(after));
  });
}

function mustRunFrom(
  ukis: readonly InstalledUki[],
  runningHash: string,
  { esp }: DraisineDisk,
): InstalledUki {
  const uki = runningUki(ukis, runningHash);
  if (uki) return uki;
  throw new BoxError('the UKI of the running release is not on the EFI system partition', {
    where: esp.device,
  });
}

/**
 * Makes the next boot take the release of the other slot on trial. That release must be intact. The boot loader prefers
 * the newest release that has tries left. So if the running release is the newer one, it loses its tries; it boots again
 * if the trial of the other release fails. If the running release is the older one, it keeps its name: without tries the
 * boot loader would place it behind the newer release, even after that release has failed.
 * `record`: called before anything changes.
 */
export function bootOther(
  box: Box,
  disk: DraisineDisk,
  runningHash: string,
  record: () => void = () => {},
): InstalledUki {
  const other = fallback(disk, installedUkis(box, disk));
  if (!other)
    throw new BoxError('there is no other release on this disk to go back to', {
      where: `/dev/${disk.name}`,
      hint: 'draisine status shows the contents of the slots',
    });
  const { slot, uki } = other;
  if (!slotIsWhole(box, slot, uki.rootHash!))
    throw new BoxError(`slot ${slot.name} no longer holds the complete release ${uki.version}`, {
      where: slot.usr.device,
    });
  record();
  withEsp(box, disk.esp.device, (esp) => {
    const running = mustRunFrom(listUkis(box, esp), runningHash, disk);
    renameUki(box, esp, uki.file, ukiName(uki.version, TRIES));
    if (compareVersions(running.version, uki.version) > 0)
      renameUki(box, esp, running.file, ukiName(running.version, 0, Math.max(running.done ?? 0, 1)));
  });
  return uki;
}

import { copyFile, removeUkis, sha256Of, ukiName, withEsp } from '../disk/esp.ts';
import { runningUsr } from '../disk/inspect.ts';
import { BOOT_LOADERS, dropDefaultEntry, putBootLoader } from '../disk/loader.ts';
import type { Partition } from '../disk/model.ts';
import { withMountable } from '../disk/mount.ts';
import { runningContent } from '../disk/running.ts';
import { fillSlot, installUki, nameSlotFor, slotIsWhole } from '../disk/stage.ts';
import { type Box, BoxError, describeError, mustRun } from '../io/box.ts';
import { descriptionFor, removeLostEntries } from './boot-entry.ts';
import { readDisk } from './disks.ts';
import { makeFresh } from './fresh.ts';
import { compareLoosely, keepDisk } from './keep.ts';
import { findUki } from './uki.ts';

/** The options of an installation on a disk. */
export interface Installation {
  /** `vda`. The caller has checked that it may be used. */
  readonly disk: string;
  readonly keepState: boolean;
  /** Path of the machine config; undefined if there is none. */
  readonly config: string;
  /** Bytes of the state partition; undefined: the first boot makes it. */
  readonly state: number | undefined;
}

const MEDIUM_ESP = '/dev/disk/draisine/esp';

/**
 * Puts the running release onto a disk. The order matters: the parts that make the disk bootable come last,
 * and the release that the installed system boots from is never overwritten. So after a power cut the old
 * system, the medium or the new system boots.
 */
export function installOnto(box: Box, installation: Installation, say: (line: string) => void): void {
  const { disk, keepState, state } = installation;
  const running = runningUsr(box);
  const content = runningContent(box, running);
  withMedium(box, (medium) => {
    const uki = findUki(box, running.rootHash, medium, say);
    const kept = keepState ? keepDisk(box, disk, running, content) : undefined;
    if (kept?.hasIt && slotIsWhole(box, kept.slot, running.rootHash)) {
      say(`${kept.slot.usr.device} has this release already`);
      nameSlotFor(box, disk, kept.slot, content);
    } else if (kept) fillSlot(box, disk, kept.slot, content, say);
    const fresh = kept ? undefined : makeFresh(box, disk, state, running);
    if (fresh) fillSlot(box, disk, fresh.slot, content, say);
    const esp = (kept ?? fresh)!.esp;
    makeBootable(box, { ...installation, esp, uki, medium, version: content.version, say });
  });
  say(`Draisine ${content.version} is on ${disk}.`);
}

/** An ISO is mounted from the whole medium, so its partition cannot be mounted: then there is no folder. */
function withMedium<T>(box: Box, use: (folder: string | undefined) => T): T {
  if (box.stat(MEDIUM_ESP)?.type !== 'block') return use(undefined);
  const device = mustRun(box, 'cannot find the medium', ['readlink', '-f', MEDIUM_ESP]).trim();
  return withMountable(box, device, use);
}

interface Bootable extends Installation {
  readonly esp: Partition;
  readonly uki: string;
  readonly medium: string | undefined;
  readonly version: string;
  readonly say: (line: string) => void;
}

function makeBootable(box: Box, { disk, config, esp, uki, medium, version, say }: Bootable): void {
  withEsp(box, esp.device, (folder) => {
    removeUkis(box, folder, () => false);
    copyFile(box, '/usr/lib/draisine/kargs.efi', `${folder}/loader/draisine-kargs.efi`);
    for (const settings of [medium, '/run/initramfs/esp']) {
      const file = `${settings}/loader/loader.conf`;
      if (settings !== undefined && box.stat(file) !== undefined)
        copyFile(box, file, `${folder}/loader/loader.conf`);
    }
    dropDefaultEntry(box, folder);
    if (config !== '') copyFile(box, config, `${folder}/ignition.ign`);
    say(`writing the boot loader and ${ukiName(version)}`);
    const size = box.stat(uki)?.size ?? 0;
    const write = (path: string) => void mustRun(box, 'cannot write the UKI', ['cp', uki, path]);
    installUki(box, folder, { version, size, sha256: sha256Of(box, uki), write });
    // systemd-boot takes the newest release, so newer ones than this would come first.
    removeUkis(box, folder, (each) => compareLoosely(each.version, version) > 0);
    installBootLoader(box, folder, readDisk(box, disk).serial, say);
  });
  mustRun(box, 'cannot flush', ['sync']);
  box.sync(`/dev/${disk}`); // fsync(2) makes the kernel flush the disk's cache; sync(2) on a FAT does not
  mustRun(box, 'cannot flush', ['blockdev', '--flushbufs', `/dev/${disk}`]);
}

/** Lets bootctl find no boot loader to copy: `putBootLoader` has put it there. */
const WITHOUT_COPIES = `mount --bind "$0" ${BOOT_LOADERS} && exec bootctl "$@"`;
const NOTHING = '/run/draisine/nothing';

function installBootLoader(box: Box, folder: string, serial: string, say: (line: string) => void): void {
  putBootLoader(box, folder);
  box.makeFolder(NOTHING);
  const label = `--efi-boot-option-description=${descriptionFor(serial)}`;
  const command = ['install', `--esp-path=${folder}`, label, '--no-pager'];
  const { code } = box.run(['unshare', '--mount', 'sh', '-c', WITHOUT_COPIES, NOTHING, ...command]);
  if (code === 0) tidyEntries(box, serial, say);
  else
    say(
      'the firmware has no boot entry for it: if the disk does not start by itself, choose it in the firmware’s menu',
    );
}

/** The system is installed at this point, so firmware that refuses the entry is no failure. */
function tidyEntries(box: Box, serial: string, say: (line: string) => void): void {
  try {
    removeLostEntries(box, serial, say);
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    say(`could not remove old boot entries of the firmware: ${describeError(error)}`);
  }
}

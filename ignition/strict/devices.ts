import type { Step } from '../base/step.ts';
import type { JsonObject } from '../json/value.ts';
import { type ConfigFile, member, structs, textOf } from './contents.ts';
import type { Finding } from './finding.ts';
import { hasModule, type ImageView } from './image.ts';
import { isQuadlet } from './quadlets.ts';
import { type ConfigUnit, lineWith, settings } from './units.ts';

/**
 * Drivers by the beginning of a device's name. The image must have one driver of each group: one for the bus, and one
 * for the class of disk.
 */
const DRIVERS: readonly (readonly [RegExp, readonly (readonly string[])[]])[] = [
  [/^\/dev\/disk\/by-id\/ata-/, [['ahci'], ['sd_mod']]],
  [/^\/dev\/disk\/by-id\/usb-/, [['usb_storage', 'uas'], ['sd_mod']]],
  [/^\/dev\/(disk\/by-id\/(scsi-|wwn-)|sd[a-z]+[0-9]*$)/, [['sd_mod']]],
  [/^\/dev\/(disk\/by-id\/nvme-|nvme[0-9])/, [['nvme']]],
  [/^\/dev\/(disk\/by-id\/mmc-|mmcblk[0-9])/, [['mmc_block'], ['sdhci_pci', 'sdhci_acpi']]],
  [/^\/dev\/(disk\/by-id\/virtio-|vd[a-z]+[0-9]*$)/, [['virtio_blk']]],
  [/^\/dev\/xvd[a-z]/, [['xen_blkfront']]],
  [/^\/dev\/hd[a-z]/, [['ide_gd_mod']]],
  [/^\/dev\/nbd[0-9]/, [['nbd']]],
  [/^\/dev\/pmem[0-9]/, [['nd_pmem']]],
  [/^\/dev\/bcache[0-9]/, [['bcache']]],
  [/^\/dev\/drbd[0-9]/, [['drbd']]],
  [/^\/dev\/(sr[0-9]|cdrom)/, [['sr_mod']]],
  [/^\/dev\/loop[0-9]/, [['loop']]],
  [/^\/dev\/zram[0-9]/, [['zram']]],
  [/^\/dev\/(md[0-9/]|disk\/by-id\/md-)/, [['md_mod', 'raid0', 'raid1', 'raid10', 'raid456']]],
  [/^\/dev\/disk\/by-id\/dm-uuid-CRYPT-/, [['dm_crypt']]],
  [/^\/dev\/dri(\/|$)/, [['i915', 'xe', 'amdgpu', 'nouveau', 'virtio_gpu']]],
  [/^\/dev\/nvidia/, [['nvidia']]],
  [/^\/dev\/kvm$/, [['kvm_intel', 'kvm_amd']]],
  [/^\/dev\/net\/tun$/, [['tun']]],
  [/^\/dev\/fuse$/, [['fuse']]],
  [/^\/dev\/ttyUSB[0-9]/, [['ftdi_sio', 'cp210x', 'ch341', 'pl2303']]],
  [/^\/dev\/ttyACM[0-9]/, [['cdc_acm']]],
  [/^\/dev\/snd(\/|$)/, [['snd_hda_intel', 'snd_usb_audio']]],
  [/^\/dev\/(video[0-9]|dvb\/)/, [['uvcvideo']]],
];

/** The missing drivers of a device; undefined if the image has them, or if nothing is known of the name. */
function missingDriver(image: ImageView, device: string): string | undefined {
  const groups = DRIVERS.find(([pattern]) => pattern.test(device))?.[1] ?? [];
  const missing = groups.find((group) => !group.some((name) => hasModule(image, name)));
  return missing?.join(' or ');
}

interface Named {
  readonly device: string;
  readonly at: readonly Step[];
  /** Prefix of the finding: a line of a unit. */
  readonly prefix: string;
}

/** Devices in the sections of `storage`. */
function ofStorage(config: JsonObject): Named[] {
  const named = (device: string, ...at: Step[]): Named => ({ device, at: ['storage', ...at], prefix: '' });
  const lists = ['disks', 'filesystems', 'luks'].flatMap((list) =>
    structs(member(config.storage, list)).map(({ device }, index) =>
      named(textOf(device), list, index, 'device'),
    ),
  );
  const raids = structs(member(config.storage, 'raid')).flatMap(({ devices }, index) =>
    (Array.isArray(devices) ? devices : []).map((device, number) =>
      named(textOf(device), 'raid', index, 'devices', number),
    ),
  );
  return [...lists, ...raids];
}

const DEVICE = /\/dev\/[A-Za-z0-9._:+/-]+/g;

/** Devices in units, quadlets and scripts, for example the disks of a pool and the devices of a container. */
function ofTexts(units: readonly ConfigUnit[], files: readonly ConfigFile[]): Named[] {
  const fromUnits = units.flatMap(({ file, dropins }) => [...(file ? [file] : []), ...dropins]);
  const fromFiles = files.filter((file) => isQuadlet(file) || file.executable);
  return [...fromUnits, ...fromFiles].flatMap(({ at, text }) =>
    [...new Set(text.match(DEVICE) ?? [])].map((device) => ({
      device,
      at,
      prefix: `line ${lineWith(text, device)}: `,
    })),
  );
}

/** Kernel modules of file systems that have another name. */
const FILESYSTEM_MODULES: Readonly<Record<string, string>> = {
  nfs4: 'nfsv4',
  smb3: 'cifs',
  iso9660: 'isofs',
  ntfs: 'ntfs3',
};
/** File systems without a module. */
const NO_MODULE =
  /^(none|bind|auto|tmpfs|ramfs|swap|proc|sysfs|devtmpfs|cgroup2?|hugetlbfs|fuse\..*|fuseblk)$/;

/** File systems of .mount units. */
export function checkMounts(units: readonly ConfigUnit[], image: ImageView): Finding[] {
  return units.flatMap(({ name, file }): Finding[] => {
    const type = name.endsWith('.mount') && file ? settings(file.text, 'Type').at(-1) : undefined;
    if (!file || type === undefined || type === '' || NO_MODULE.test(type)) return [];
    if (hasModule(image, FILESYSTEM_MODULES[type] ?? type)) return [];
    const line = lineWith(file.text, `Type=${type}`);
    const message = `${line > 0 ? `line ${line}: ` : ''}the image ${image.name} cannot mount ${type}: its kernel has no such module; take ext4 or vfat`;
    return [{ path: file.at, message }];
  });
}

/** Devices that the image's kernel has no driver for. */
export function checkDevices(
  config: JsonObject,
  units: readonly ConfigUnit[],
  files: readonly ConfigFile[],
  image: ImageView,
): Finding[] {
  const told = new Set<string>();
  return [...ofStorage(config), ...ofTexts(units, files)].flatMap(({ device, at, prefix }): Finding[] => {
    const missing = missingDriver(image, device);
    const key = `${at.join('.')} ${device}`;
    if (missing === undefined || told.has(key)) return [];
    told.add(key);
    const message = `${prefix}the image ${image.name} has no driver for ${device}: ${missing}; take another device, or add the module to the image`;
    return [{ path: at, message }];
  });
}

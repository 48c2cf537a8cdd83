import type { Step } from '../base/step.ts';
import type { JsonObject } from '../json/value.ts';
import { member, structs, textOf } from './contents.ts';
import type { Finding } from './finding.ts';
import { hasModule, hasProgram, type ImageView } from './image.ts';

/** The program with which Ignition makes a file system of a format, and the kernel module that mounts it. */
const FORMATS: Readonly<Record<string, { readonly program: string; readonly module?: string }>> = {
  ext4: { program: 'mkfs.ext4', module: 'ext4' },
  xfs: { program: 'mkfs.xfs', module: 'xfs' },
  btrfs: { program: 'mkfs.btrfs', module: 'btrfs' },
  vfat: { program: 'mkfs.fat', module: 'vfat' },
  swap: { program: 'mkswap' },
};

const RAID_MODULES: Readonly<Record<string, string>> = {
  raid4: 'raid456',
  raid5: 'raid456',
  raid6: 'raid456',
};

interface Need {
  readonly at: readonly Step[];
  /** `make xfs` */
  readonly to: string;
  readonly program?: string;
  readonly module?: string;
  readonly hint: string;
}

function ofFilesystems(storage: JsonObject | undefined): Need[] {
  return structs(storage?.filesystems).flatMap(({ format, path }, index): Need[] => {
    const name = textOf(format);
    const known = FORMATS[name];
    if (known === undefined) return [];
    const at = ['storage', 'filesystems', index, 'format'];
    const hint = 'take ext4';
    const mounted = textOf(path) !== '' && known.module !== undefined;
    return [
      { at, to: `make ${name}`, program: known.program, hint },
      ...(mounted ? [{ at, to: `mount ${name}`, module: known.module ?? '', hint }] : []),
    ];
  });
}

function ofRaids(storage: JsonObject | undefined): Need[] {
  return structs(storage?.raid).flatMap(({ level }, index): Need[] => {
    const name = textOf(level);
    const at = ['storage', 'raid', index, 'level'];
    const module = RAID_MODULES[name] ?? name;
    const hint = 'take a ZFS mirror or raidz';
    return [
      { at, to: `make ${name}`, program: 'mdadm', hint },
      ...(/^(linear|raid\d+)$/.test(module) ? [{ at, to: `run ${name}`, module, hint }] : []),
    ];
  });
}

function ofLuks(storage: JsonObject | undefined): Need[] {
  return structs(storage?.luks).flatMap(({ clevis }, index): Need[] => {
    const at = ['storage', 'luks', index];
    const hint = 'take an encrypted dataset';
    const bound =
      structs(member(clevis, 'tang')).length > 0 ||
      member(clevis, 'tpm2') === true ||
      member(clevis, 'custom') !== undefined;
    return [
      { at, to: 'make LUKS volumes', program: 'cryptsetup', hint },
      { at, to: 'open LUKS volumes', module: 'dm_crypt', hint },
      ...(bound
        ? [{ at: [...at, 'clevis'], to: 'bind keys', program: 'clevis', hint: 'take a key file' }]
        : []),
    ];
  });
}

function ofDisks(storage: JsonObject | undefined): Need[] {
  return structs(storage?.disks).flatMap((disk, index): Need[] => {
    if (structs(disk.partitions).length === 0 && disk.wipeTable !== true) return [];
    const at = ['storage', 'disks', index];
    return [
      { at, to: 'partition disks', program: 'sgdisk', hint: 'give whole disks to pools or file systems' },
    ];
  });
}

/** File systems, arrays, encrypted volumes and partitions that the image cannot make or use. */
export function checkVolumes(config: JsonObject, image: ImageView): Finding[] {
  const storage = config.storage as JsonObject | undefined;
  const needs = [...ofDisks(storage), ...ofRaids(storage), ...ofLuks(storage), ...ofFilesystems(storage)];
  return needs.flatMap(({ at, to, program, module, hint }): Finding[] => {
    const lacks =
      program !== undefined && !hasProgram(image, program)
        ? `it has no ${program}`
        : module !== undefined && !hasModule(image, module)
          ? `its kernel has no module ${module}`
          : undefined;
    return lacks ? [{ path: at, message: `the image ${image.name} cannot ${to}: ${lacks}; ${hint}` }] : [];
  });
}

import { sha256 } from '../../sdk/lib/files.ts';
import type { Target } from '../graph/target.ts';
import { bmap } from '../media/bmap.ts';
import { zstd } from '../media/compress.ts';
import { disk } from '../media/disk.ts';
import { esp } from '../media/esp.ts';
import { iso } from '../media/iso.ts';
import { isoEsp } from '../media/iso-esp.ts';
import { uuidFrom } from '../media/partitions.ts';
import type { About } from './about.ts';
import type { Boot } from './boot.ts';
import { prettyName } from './fixups.ts';
import type { Usr } from './usr.ts';

/** Artifacts for media: a disk image, the same image compressed, its block map, and an ISO. */
export function media(about: About, usr: Usr, boot: Boot): Readonly<Record<string, Target>> {
  const { named, sdk, dev } = about;
  const diskTarget = diskImage(about, usr, boot);
  return {
    disk: diskTarget,
    'disk.bmap': bmap(named('disk.bmap'), { disk: diskTarget }),
    'disk.zst': zstd(named('disk.zst'), { sdk, file: diskTarget, level: dev ? 1 : 3 }),
    iso: isoImage(about, usr, boot),
  };
}

/** What the ESP of a disk and that of an ISO have in common. `name`: of its target. */
function espOf({ image, sdk, version, epoch, seed }: About, boot: Boot, name: string) {
  return {
    ...{ sdk, uki: boot.uki, ukiName: ukiName(version), menuSeconds: image.menuSeconds, epoch },
    volumeId: sha256(`${seed} ${name}`).slice(0, 8),
  };
}

function diskImage(about: About, usr: Usr, boot: Boot): Target {
  const { image, named, sdk, version, seed } = about;
  return disk(named('disk'), {
    sdk,
    esp: esp(named('esp'), {
      ...espOf(about, boot, 'esp'),
      kargs: usr.kargs,
      size: image.partitions.esp,
    }),
    usr: usr.erofs,
    hashTree: usr.hashTree,
    rootHash: usr.rootHash,
    plan: image.partitions,
    version,
    seed: sha256(`${seed} disk`).slice(0, 32),
  });
}

function isoImage(about: About, usr: Usr, boot: Boot): Target {
  const { image, named, sdk, epoch, seed, identity } = about;
  return iso(named('iso'), {
    sdk,
    esp: isoEsp(named('iso-esp'), {
      ...espOf(about, boot, 'iso-esp'),
      title: prettyName(identity),
      rootHash: usr.rootHash,
      cmdline: image.cmdline,
      profiles: image.profiles,
      usr: usr.erofs,
    }),
    usrImage: usr.file,
    rootHash: usr.rootHash,
    diskUuid: uuidFrom(`${seed} iso`),
    epoch,
  });
}

function ukiName(version: string): string {
  return `draisine_${version}.efi`;
}

import { filesInitrd } from '../boot/files-initrd.ts';
import { initrd } from '../boot/initrd.ts';
import { uki } from '../boot/uki.ts';
import type { Target } from '../graph/target.ts';
import { bootScript } from '../media/ipxe.ts';
import type { About } from './about.ts';
import { type Boot, sourcesOf } from './boot.ts';
import { prettyName } from './fixups.ts';
import type { Usr } from './usr.ts';

/** Artifacts for booting over the network: by PXE, whose initrd fetches /usr, and by UEFI HTTP boot, in one file. */
export function netboot(about: About, usr: Usr, boot: Boot): Readonly<Record<string, Target>> {
  const { image, named, at, sdk, dev, epoch } = about;
  return {
    'pxe.initrd': initrd(named('pxe.initrd'), {
      tree: usr.tree,
      ...image.netboot,
      after: image.initrd,
      overlay: at('packages/overlays/netboot'),
      sources: sourcesOf(about),
      sdk,
      level: dev ? 1 : 9, // level 19 takes twelve times as long, and saves a ninth
      epoch,
    }),
    'boot.ipxe': bootScript(named('boot.ipxe'), {
      files: {
        kernel: 'vmlinuz',
        initrds: [...(boot.microcode.length > 0 ? ['microcode.img'] : []), 'initrd.img', 'pxe.initrd'],
        usr: 'usr.img',
        uki: 'uki.efi',
      },
      rootHash: usr.rootHash,
      usr: usr.erofs,
      cmdline: image.cmdline,
      uki: boot.uki,
      title: prettyName(about.identity),
    }),
    'http.efi': uki(named('http.efi'), {
      ...boot.ukiParts,
      moreInitrds: [
        filesInitrd(named('http-files'), {
          files: [boot.uki, usr.file],
          names: ['uki.efi', 'usr.img'],
          epoch,
        }),
      ],
      cmdline: [...image.cmdline, 'draisine.usr=initrd'],
      usrFile: [usr.erofs],
      // Only one profile, because there is no menu.
      profiles: image.profiles.filter(({ id }) => id === 'live'),
    }),
  };
}

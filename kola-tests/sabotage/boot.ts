import { WRITABLE_USR } from '../fixtures/lying.ts';
import type { Sabotage } from '../harness/run/sabotage.ts';

/** The boot stops and names /usr as the reason. The pattern does not match a boot that fails for another reason. */
const SPOILT_USR = /(could not start|emergency mode|panicked)[\s\S]*(verity|\busr\b)/;

/** Damage to the image, verified parts and others, with the tests that must notice it. */
const sabotages: readonly Sabotage[] = [
  {
    name: 'verity.data-block',
    what: 'a block of /usr that each boot reads is damaged',
    tests: ['boot.multi-user'],
    because: SPOILT_USR,
    disk: async (disk) => {
      const { offset } = await disk.partition('usr');
      await disk.flip(offset + 1024 + 20); // in the superblock of erofs
    },
  },
  {
    name: 'verity.hash-tree',
    what: 'the root of the hash tree is damaged',
    tests: ['boot.multi-user'],
    because: SPOILT_USR,
    disk: async (disk) => {
      const { offset } = await disk.partition('usr-verity');
      await disk.flip(offset + 4096 + 20); // the block behind verity's superblock
    },
  },
  {
    name: 'esp.unreadable',
    what: 'the EFI system partition has no file system',
    tests: ['boot.multi-user'],
    // The firmware ends in its shell.
    because: /firmware found nothing to boot/,
    disk: async (disk) => {
      const { offset } = await disk.partition('esp');
      await disk.zero(offset, 64 * 1024);
    },
  },
  {
    name: 'uki.command-line',
    what: 'the kernel command line turns off the random layout of memory',
    tests: ['system.sysctl'],
    because: /'?kernel\.randomize_va_space'?: '0'/,
    disk: async (disk) => await disk.replace(await disk.partition('esp'), 'console=tty0 ', 'norandmaps '),
  },
  {
    name: 'verity.ignored',
    what: 'dm-verity does not refuse corrupt blocks',
    tests: ['verity.corrupt-block'],
    because: /should have failed: dd/,
    guest: `dmsetup reload --readonly usr --table "$(dmsetup table usr) 1 ignore_corruption"
      dmsetup suspend --noflush usr && dmsetup resume usr`,
  },
  {
    name: 'usr.writable',
    what: '/usr can be written to',
    tests: ['boot.multi-user'],
    because: /overlay/,
    guest: WRITABLE_USR,
  },
  {
    name: 'usr.dead-link',
    what: 'a link in /usr leads nowhere',
    tests: ['system.no-dead-links'],
    because: /\/usr\/lib\/sabotage -> nowhere/,
    guest: `${WRITABLE_USR} && ln -s nowhere /usr/lib/sabotage`,
  },
  {
    name: 'usr.setuid',
    what: 'bash is setuid',
    tests: ['system.setuid-list'],
    because: /4755 root root \/usr\/bin\/bash/,
    guest: `${WRITABLE_USR} && chmod u+s /usr/bin/bash`,
  },
  {
    name: 'usr.interpreter',
    what: 'the image has an interpreter',
    tests: ['system.no-package-manager'],
    because: /\/usr\/bin\/python3/,
    guest: `${WRITABLE_USR} && cp /usr/bin/bash /usr/bin/python3`,
  },
  {
    name: 'usr.identity',
    what: 'the image contains an SSH host key',
    tests: ['system.no-shipped-identity'],
    because: /ssh_host_ed25519_key/,
    guest: `${WRITABLE_USR} && cp /etc/ssh/ssh_host_ed25519_key /usr/share/`,
  },
  {
    name: 'ignition.twice',
    what: 'the machine behaves as if its first boot had not happened',
    tests: ['boot.second'],
    because: /^AssertionError.*: Ignition ran a second time/,
    guest: 'touch /.draisine-reset && sync',
  },
];

export default sabotages;

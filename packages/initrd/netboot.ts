import type { InitrdPlan } from '../../build/boot/initrd.ts';

/** What fetches /usr over the network and checks it: its own initrd, so that the others do not carry it. */
export const netbootPlan: InitrdPlan = {
  binaries: [
    'usr/bin/dd',
    'usr/bin/grep',
    'usr/bin/rm',
    'usr/bin/tr',
    'usr/bin/wc',
    'usr/bin/wget',
    'usr/sbin/veritysetup',
    'usr/lib/systemd/systemd-network-generator',
    'usr/lib/systemd/systemd-networkd',
    'usr/lib/systemd/systemd-networkd-wait-online',
  ],
  libraries: [],
  files: [
    'usr/lib/systemd/network/80-draisine-dhcp.network',
    'usr/share/draisine/etc/ssl/certs/ca-certificates.crt',
    // The names of cards, as the real system has them.
    'usr/lib/systemd/network/99-default.link',
    'usr/lib/udev/rules.d/75-net-description.rules',
    'usr/lib/udev/rules.d/80-net-setup-link.rules',
  ],
  units: [],
  links: {},
  // Where iPXE puts the certificate of the machine's owner.
  directories: ['etc/draisine'],
};

/** Drivers of network cards that are no part of n100's kernel. */
export const nicModules: readonly string[] = [
  'e1000', 'e1000e', 'igb', 'igc', 'r8169', 'realtek', 'r8152', 'ax88179_178a', 'cdc_ether', 'cdc_ncm',
]; // biome-ignore format: a word list

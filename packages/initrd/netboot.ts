import type { InitrdPlan } from '../../build/boot/initrd.ts';

/**
 * The programs that fetch /usr over the network and check it. They are in a separate initrd, so that the other initrd
 * stays small.
 */
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
    // Gives network cards the same names as in the running system.
    'usr/lib/systemd/network/99-default.link',
    'usr/lib/udev/rules.d/75-net-description.rules',
    'usr/lib/udev/rules.d/80-net-setup-link.rules',
  ],
  units: [],
  links: {},
  // iPXE puts the certificate of the machine's owner there.
  directories: ['etc/draisine'],
};

/** Drivers of network cards that n100's kernel does not have. */
export const nicModules: readonly string[] = [
  'e1000', 'e1000e', 'igb', 'igc', 'r8169', 'realtek', 'r8152', 'ax88179_178a', 'cdc_ether', 'cdc_ncm',
]; // biome-ignore format: a word list

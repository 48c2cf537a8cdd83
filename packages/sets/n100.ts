import type { PackageSet } from '../../build/debian/set.ts';

const essential = [
  // Debian marks these as Essential, so no package depends on them.
  'base-files',
  'bash',
  // logger: zed's scripts write to the journal with it.
  'bsdutils',
  'coreutils',
  'dash',
  'findutils',
  'grep',
  'gzip',
  'hostname',
  'libc-bin',
  'ncurses-base',
  'sed',
  'tar',
  'util-linux',
];

const system = [
  'systemd',
  'systemd-sysv',
  'systemd-boot-efi',
  'systemd-resolved',
  'systemd-repart',
  'systemd-cryptsetup',
  'udev',
  'dbus',
  'libnss-systemd',
  'libpam-systemd',
  // The bus of a user's own systemd. Without it rootless podman cannot limit the resources of a container.
  'dbus-user-session',
  'libnss-myhostname',
  'systemd-timesyncd',
  'login',
  'passwd',
  'openssh-server',
  'kmod',
  'e2fsprogs',
  'dosfstools',
  // Programs of Ignition's stage `disks`, and of the mounts at boot.
  'gdisk',
  'mdadm',
  'xfsprogs',
  'btrfs-progs',
  'cryptsetup-bin',
  // Programs for installing on a disk, for fetching `/usr` over the network, and for showing an address as a
  // QR code.
  'systemd-boot-tools',
  // systemd-bless-boot counts the tries of a release on trial.
  'systemd-boot',
  // Runs `packages/box` (installing, updates, apply, notifications), which fetches and sends with curl.
  'quickjs',
  'curl',
  'wget',
  'qrencode',
  'ca-certificates',
  'netbase',
  'tzdata',
  'less',
  'ignition',
];

/**
 * Tools that an owner of a NAS expects on the console. tmux is left out: it has 0.9 MB, and systemd-run keeps
 * long jobs.
 */
const tools = [
  'smartmontools',
  'diffutils',
  'ethtool',
  'file',
  'hdparm',
  'ldnsutils',
  'lsof',
  'nano',
  // Only mount.nfs stays; other files are trimmed.
  'nfs-common',
  'rsync',
];

const network = ['iproute2', 'nftables', 'iputils-ping'];
const containers = [
  'podman',
  'crun',
  'netavark',
  'aardvark-dns',
  'catatonit',
  'passt',
  'uidmap',
  // apparmor_parser loads podman's profile for a container
  'apparmor',
];
// zed activates spares, and takes failing disks out of a pool
const zfs = ['zfsutils-linux', 'zfs-zed'];

/** Containers, ZFS, networking: the packages of the `n100` image. Its kernel is not a package. */
export const n100: PackageSet = {
  name: 'n100',
  include: [...essential, ...system, ...tools, ...network, ...containers, ...zfs],
  drop: [
    { package: 'python3', reason: 'only arc_summary, arcstat and zilstat of zfsutils-linux use it' },
    { package: 'gpg', reason: 'libgpgme depends on it; see gnupg' },
    {
      package: 'gnupg',
      reason:
        'libgpgme depends on it for signatures of images; podman itself checks digests and sigstore keys',
    },
    {
      package: 'zfs-dkms',
      reason: 'zfs-zed depends on it; the modules are built for the kernel of the image',
    },
    { package: 'rpcbind', reason: 'version 4 of NFS needs no port mapper; version 3 is mounted with nolock' },
    { package: 'keyutils', reason: 'owners are sent as numbers, not as names' },
    { package: 'ucf', reason: 'conffile prompting; maintainer scripts never run' },
    { package: 'debconf', reason: 'maintainer scripts never run' },
    { package: 'debconf-2.0', reason: 'maintainer scripts never run' },
    { package: 'cdebconf', reason: 'the other debconf' },
    { package: 'adduser', reason: 'accounts are data (packages/system/users.ts)' },
    { package: 'openssl', reason: 'the CA bundle is made at build time; libssl stays' },
    { package: 'openssl-provider-legacy', reason: 'no program here uses RC4, DES or MD4' },
    { package: 'init-system-helpers', reason: 'units are enabled by presets, not by deb-systemd-helper' },
    { package: 'sysvinit-utils', reason: 'no init scripts' },
    { package: 'lsb-base', reason: 'no init scripts' },
    { package: 'runit-helper', reason: 'no runit' },
    { package: 'gcc-14-base', reason: 'an empty documentation package' },
    { package: 'libicu76', reason: '38 MB, for xfs_scrub alone, which is trimmed' },
    { package: 'python3-dbus', reason: 'for xfs_scrub_all, which is trimmed' },
    { package: 'libreiserfscore0t64', reason: 'for btrfs-convert, which is trimmed' },
  ],
};

const noInitramfs = [
  { package: 'initramfs-tools', reason: 'the initrd is made by us from the same tree' },
  { package: 'linux-initramfs-tool', reason: 'the initrd is made by us from the same tree' },
  { package: 'linux-base', reason: 'kernel symlink scripts; the kernel is in the UKI' },
];

/** The same packages, with Debian's own kernel. */
export const generic: PackageSet = {
  name: 'generic',
  include: [...n100.include, 'linux-image-amd64'],
  drop: [...(n100.drop ?? []), ...noInitramfs],
};

/** The container image of the tests: one static binary. */
export const ociBusybox: PackageSet = { name: 'oci-busybox', include: ['busybox-static'] };

/** The smallest image with every kind of artifact. The reproducibility test builds it twice. */
export const small: PackageSet = {
  name: 'small',
  include: ['base-files', 'dash', 'kmod', 'ca-certificates', 'systemd', 'udev', 'linux-image-amd64'],
  drop: [
    { package: 'openssl', reason: 'the CA bundle is made at build time' },
    { package: 'debconf', reason: 'maintainer scripts never run' },
    { package: 'debconf-2.0', reason: 'maintainer scripts never run' },
    { package: 'cdebconf', reason: 'the other debconf' },
    { package: 'gcc-14-base', reason: 'an empty documentation package' },
    ...noInitramfs,
  ],
};

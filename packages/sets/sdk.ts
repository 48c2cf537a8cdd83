import type { PackageSet } from '../../build/debian/set.ts';

/** Unpacks all other packages. It is itself unpacked by npm's xz-decompress. */
export const sdkXz: PackageSet = { name: 'sdk-xz', include: ['xz-utils'] };

const noScripts = 'maintainer scripts never run, also not in the SDK';
const debconf = [
  { package: 'debconf', reason: noScripts },
  { package: 'debconf-2.0', reason: noScripts },
  { package: 'cdebconf', reason: 'the other debconf' },
];

/** Tools that turn packages into artifacts. */
export const sdkImage: PackageSet = {
  name: 'sdk-image',
  include: [
    'base-files',
    'bubblewrap',
    'coreutils',
    'bash',
    'dash',
    'cryptsetup-bin',
    'dosfstools',
    'erofs-utils',
    'fdisk',
    'kmod',
    'mtools',
    'openssl',
    'systemd',
    'systemd-repart',
    'systemd-ukify',
    'systemd-boot-efi',
    'util-linux',
    'xorriso',
    'zstd',
  ],
  drop: [
    ...debconf,
    { package: 'dpkg', reason: noScripts },
    { package: 'media-types', reason: 'python3 depends on it for a MIME table that ukify never reads' },
  ],
};

/** The emulator and its firmware, for the harness and `run`. */
export const sdkQemu: PackageSet = {
  name: 'sdk-qemu',
  include: ['qemu-system-x86/trixie-backports', 'qemu-utils/trixie-backports', 'ovmf', 'openssh-client'],
  drop: [
    { package: 'passwd', reason: noScripts },
    { package: 'adduser', reason: noScripts },
  ],
};

/** Programs of `draisine serve`: DHCP and TFTP, and the boot programs for machines. */
export const sdkServe: PackageSet = {
  name: 'sdk-serve',
  include: ['dnsmasq-base', 'ipxe'],
  drop: [{ package: 'passwd', reason: noScripts }],
};

/** The registry for tests of containers. */
export const sdkRegistry: PackageSet = {
  name: 'sdk-registry',
  include: ['docker-registry'],
  drop: [{ package: 'adduser', reason: noScripts }],
};

/** Tools for looking into state partitions after a power cut (kola crash-states). */
export const sdkFsck: PackageSet = { name: 'sdk-fsck', include: ['e2fsprogs'] };

/** The compiler for recipes (kernel, kernel modules). It runs in a namespace of its own. */
export const sdkCompile: PackageSet = {
  name: 'sdk-compile',
  include: [
    'base-files',
    'bash',
    'bc',
    'binutils',
    'bison',
    'coreutils',
    'dash',
    'diffutils',
    'findutils',
    'flex',
    'gawk',
    'gcc-14',
    'gcc',
    'cpp',
    'grep',
    'gzip',
    'kmod',
    'libc6-dev',
    'libelf-dev',
    'libssl-dev',
    'make',
    'perl',
    'pkcs11-provider',
    'sed',
    'tar',
    'xz-utils',
    'zstd',
    'python3-minimal',
    'rsync',
    'file',
    'autoconf',
    'automake',
    'libtool',
  ],
  drop: [
    ...debconf,
    { package: 'dpkg', reason: noScripts },
    { package: 'init-system-helpers', reason: noScripts },
  ],
};

/** Tools with which `test --static` checks shell scripts. */
export const sdkCheck: PackageSet = { name: 'sdk-check', include: ['shellcheck'] };

/** The interpreter of the code on the box, for unit tests. */
export const sdkBox: PackageSet = { name: 'sdk-box', include: ['quickjs'] };

/** A web server with ranges, for tests of channels and of the mirror. */
export const sdkWeb: PackageSet = {
  name: 'sdk-web',
  include: ['nginx'],
  drop: debconf,
};

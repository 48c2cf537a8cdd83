import type { Image } from '../image.ts';
import { builtinList } from '../root.ts';

const MiB = 1 << 20;
const nologin = '/usr/sbin/nologin';

/** An image with each kind of part, small enough to be built twice in a test. */
export const small: Image = {
  name: 'small',
  set: 'small',
  kernel: {
    modules: ['erofs', 'dm_verity', 'virtio_blk', 'virtio_net'],
    built: [],
    signed: false,
    from: (packages) => {
      const name = packages.nameOf('small', /^linux-image-\d.*-amd64$/);
      const kernel = packages.package('small', name);
      const drivers = builtinList('small:drivers', { kernel });
      return { kernel, drivers, release: name.replace('linux-image-', ''), extraModules: [] };
    },
  },
  firmware: { set: 'small', packages: [], only: [], microcode: [] },
  made: [],
  overlays: [{ name: 'system', replaces: ['etc/issue', 'usr/lib/systemd/system/local-fs.target'] }],
  trims: [
    { reason: 'documentation', paths: ['usr/share/{doc,man,info,lintian,locale,bug}'] },
    { reason: 'not for /usr', paths: ['boot', 'usr/lib/modules', 'var'] },
  ],
  settled: [],
  accounts: {
    users: [{ name: 'root', uid: 0, gid: 0, comment: 'root', home: '/root', shell: nologin }],
    groups: [
      { name: 'root', gid: 0 },
      { name: 'shadow', gid: 42 },
    ],
    unused: [
      'adm', 'tty', 'disk', 'man', 'kmem', 'dialout', 'fax', 'voice', 'cdrom', 'floppy', 'tape', 'sudo', 'audio', 'dip', 'operator', 'src',
      'utmp', 'video', 'sasl', 'plugdev', 'staff', 'games', 'users', 'nogroup', 'daemon', 'bin', 'sys', 'sync', 'lp', 'mail', 'news', 'uucp',
      'proxy', 'www-data', 'backup', 'list', 'irc', '_apt', 'nobody', 'input', 'sgx', 'clock', 'kvm', 'render', 'systemd-journal', 'systemd-network',
    ], // biome-ignore format: a word list
  },
  fixups: {
    enabledUnits: [{ unit: 'getty@tty1.service', wantedBy: 'getty.target' }],
    unitAliases: {},
    links: {},
    modes: [],
    moves: {},
  },
  initrd: {
    plan: {
      binaries: ['usr/bin/dash', 'usr/bin/kmod', 'usr/lib/systemd/systemd'],
      libraries: [],
      files: [],
      units: ['initrd.target'],
      links: { init: 'usr/lib/systemd/systemd' },
      directories: ['proc', 'sys'],
    },
    modules: ['erofs'],
    level: 3,
  },
  netboot: {
    plan: { binaries: ['usr/bin/udevadm'], libraries: [], files: [], units: [], links: {}, directories: [] },
    modules: ['virtio_net'],
  },
  cmdline: ['quiet'],
  profiles: [
    { id: 'disk', title: 'disk', cmdline: ['root=/dev/vda'] },
    { id: 'live', title: 'live', cmdline: ['root=tmpfs'] },
  ],
  menuSeconds: 0,
  partitions: { esp: 256 * MiB, usr: 256 * MiB, verity: 8 * MiB },
  compression: 'zstd',
  testImages: [],
};

import type { Group, User } from '../../build/image/accounts.ts';

/**
 * Every system user and group of an image, with a number that never changes: files on state partitions and in
 * pools keep these numbers across releases. 1 – 99 are Debian's static ones; ours count down from 999.
 */
const nologin = '/usr/sbin/nologin';

/** The groups of the image, with fixed numbers. */
export const groups: readonly Group[] = [
  { name: 'root', gid: 0 },
  { name: 'daemon', gid: 1 },
  { name: 'bin', gid: 2 },
  { name: 'sys', gid: 3 },
  { name: 'adm', gid: 4 },
  { name: 'tty', gid: 5 },
  { name: 'disk', gid: 6 },
  { name: 'lp', gid: 7 },
  { name: 'mail', gid: 8 },
  { name: 'kmem', gid: 15 },
  { name: 'dialout', gid: 20 },
  { name: 'cdrom', gid: 24 },
  { name: 'tape', gid: 26 },
  { name: 'sudo', gid: 27 },
  { name: 'audio', gid: 29 },
  { name: 'shadow', gid: 42 },
  { name: 'utmp', gid: 43 },
  { name: 'video', gid: 44 },
  { name: 'staff', gid: 50 },
  { name: 'users', gid: 100 },
  { name: 'systemd-timesync', gid: 987 },
  { name: '_ssh', gid: 988 },
  { name: 'sgx', gid: 989 },
  { name: 'clock', gid: 990 },
  { name: 'kvm', gid: 991 },
  { name: 'render', gid: 992 },
  { name: 'input', gid: 993 },
  { name: 'systemd-journal', gid: 995 },
  { name: 'systemd-network', gid: 996 },
  { name: 'systemd-resolve', gid: 997 },
  { name: 'messagebus', gid: 999 },
  { name: 'nogroup', gid: 65534 },
];

/** The users of the image, with fixed numbers. */
export const users: readonly User[] = [
  { name: 'root', uid: 0, gid: 0, comment: 'root', home: '/root', shell: '/bin/bash' },
  { name: 'daemon', uid: 1, gid: 1, comment: 'daemon', home: '/usr/sbin', shell: nologin },
  { name: 'bin', uid: 2, gid: 2, comment: 'bin', home: '/bin', shell: nologin },
  { name: 'sys', uid: 3, gid: 3, comment: 'sys', home: '/dev', shell: nologin },
  {
    name: 'systemd-timesync',
    uid: 987,
    gid: 987,
    comment: 'systemd Time Synchronization',
    home: '/',
    shell: nologin,
  },
  { name: 'sshd', uid: 994, gid: 65534, comment: 'sshd', home: '/run/sshd', shell: nologin },
  {
    name: 'systemd-network',
    uid: 996,
    gid: 996,
    comment: 'systemd Network Management',
    home: '/',
    shell: nologin,
  },
  { name: 'systemd-resolve', uid: 997, gid: 997, comment: 'systemd Resolver', home: '/', shell: nologin },
  {
    name: 'messagebus',
    uid: 999,
    gid: 999,
    comment: 'System Message Bus',
    home: '/nonexistent',
    shell: nologin,
  },
  { name: 'nobody', uid: 65534, gid: 65534, comment: 'nobody', home: '/nonexistent', shell: nologin },
];

/** Accounts in sysusers.d files that are left out: no program or file of the image uses them. */
export const unusedAccounts: readonly string[] = [
  'man', 'fax', 'voice', 'floppy', 'dip', 'operator', 'src', 'sasl', 'plugdev', 'games', 'sync', 'mail',
  'news', 'uucp', 'proxy', 'www-data', 'backup', 'list', 'irc', '_apt',
]; // biome-ignore format: a word list

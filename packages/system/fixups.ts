import type { Fixups } from '../../build/image/fixups.ts';
import { enabledUnits, unitAliases } from './units.ts';

/** The names in /usr/lib/zfs-linux/zed.d/DEFAULT-ENABLED. */
const zedlets = [
  'all-syslog.sh',
  'data-notify.sh',
  'deadman-slot_off.sh',
  'history_event-zfs-list-cacher.sh',
  'pool_import-led.sh',
  'resilver_finish-notify.sh',
  'resilver_finish-start-scrub.sh',
  'scrub_finish-notify.sh',
  'statechange-led.sh',
  'statechange-notify.sh',
  'statechange-slot_off.sh',
  'vdev_attach-led.sh',
  'vdev_clear-led.sh',
];

/** The effects of maintainer scripts, which never run (packages/scripts.md). */
export const fixups: Fixups = {
  enabledUnits,
  unitAliases,
  links: {
    // The stub of systemd-resolved(8), and UTC. A machine config may change both.
    'etc/resolv.conf': '../run/systemd/resolve/stub-resolv.conf',
    'etc/localtime': '../usr/share/zoneinfo/UTC',
    'etc/mtab': '../proc/self/mounts',
    // /usr/lib/draisine/console writes these files.
    'etc/issue.d/draisine.issue': '/run/draisine/console.issue',
    'usr/bin/awk': 'mawk',
    'usr/bin/nawk': 'mawk',
    'usr/bin/pager': 'less',
    'usr/bin/editor': 'nano',
    // There is no entry for sh, because dash has that link.
    // zed runs these scripts; the postinst of zfs-zed makes the links.
    ...Object.fromEntries(
      zedlets.map((name) => [`etc/zfs/zed.d/${name}`, `/usr/lib/zfs-linux/zed.d/${name}`]),
    ),
    // where libssl looks by default
    'usr/lib/ssl/cert.pem': '/etc/ssl/certs/ca-certificates.crt',
    'usr/lib/ssl/certs': '/etc/ssl/certs',
  },
  modes: [
    // group messagebus; setuid so that dbus-daemon can start system services as their user
    { path: 'usr/lib/dbus-1.0/dbus-daemon-launch-helper', mode: 0o4754, uid: 0, gid: 999 },
    // Rootless containers need one capability of each, not all of root's.
    { path: 'usr/bin/newuidmap', mode: 0o755, uid: 0, gid: 0, capability: 'cap_setuid' },
    { path: 'usr/bin/newgidmap', mode: 0o755, uid: 0, gid: 0, capability: 'cap_setgid' },
    // Not setuid: there are no passwords to change or to enter, and users mount nothing.
    ...['su', 'mount', 'umount', 'passwd'].map((name) => ({
      path: `usr/bin/${name}`,
      mode: 0o755,
      uid: 0,
      gid: 0,
    })),
    // Debian has it setuid for `user` entries of fstab; here root mounts.
    { path: 'usr/sbin/mount.nfs', mode: 0o755, uid: 0, gid: 0 },
    // group _ssh: keeps ptrace(2) away from the agent's memory
    { path: 'usr/bin/ssh-agent', mode: 0o2755, uid: 0, gid: 988 },
  ],
  moves: { 'usr/lib/dracut/modules.d/30ignition/ignition': 'usr/libexec/ignition' },
};

/** Paths of packages that our overlay replaces. */
export const replaces: readonly string[] = [
  'etc/issue',
  'etc/nftables.conf',
  'etc/smartd.conf',
  'etc/default/smartmontools',
  'usr/lib/systemd/system/local-fs.target',
  'usr/lib/systemd/system-generators/podman-system-generator',
];

/**
 * Units that call modprobe for a module at each start. An image whose kernel has the module built in leaves them out.
 */
export const builtinModules: Fixups['links'] = Object.fromEntries(
  ['configfs', 'drm', 'efi_pstore', 'fuse'].map((name) => [
    `usr/lib/systemd/system/modprobe@${name}.service`,
    '/dev/null',
  ]),
);

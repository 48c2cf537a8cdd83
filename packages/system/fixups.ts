import type { Fixups } from '../../build/image/fixups.ts';
import { enabledUnits, unitAliases } from './units.ts';

/** Those of /usr/lib/zfs-linux/zed.d/DEFAULT-ENABLED. */
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

/** What maintainer scripts would have done (packages/scripts.md says which script wants what). */
export const fixups: Fixups = {
  enabledUnits,
  unitAliases,
  links: {
    // The stub of systemd-resolved(8); UTC until a machine's config says otherwise.
    'etc/resolv.conf': '../run/systemd/resolve/stub-resolv.conf',
    'etc/localtime': '../usr/share/zoneinfo/UTC',
    'etc/mtab': '../proc/self/mounts',
    // What /usr/lib/draisine/console writes.
    'etc/issue.d/draisine.issue': '/run/draisine/console.issue',
    'usr/bin/awk': 'mawk',
    'usr/bin/nawk': 'mawk',
    'usr/bin/pager': 'less',
    'usr/bin/editor': 'nano',
    // dash ships sh itself
    // What zed runs, as zfs-zed's postinst links it.
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
    // group _ssh: keeps ptrace(2) away from the agent's memory
    // Rootless containers need one capability of each, not all of root's.
    { path: 'usr/bin/newuidmap', mode: 0o755, uid: 0, gid: 0, capability: 'cap_setuid' },
    { path: 'usr/bin/newgidmap', mode: 0o755, uid: 0, gid: 0, capability: 'cap_setgid' },
    // There are no passwords to change or to become root by, and users mount nothing.
    ...['su', 'mount', 'umount', 'passwd'].map((name) => ({
      path: `usr/bin/${name}`,
      mode: 0o755,
      uid: 0,
      gid: 0,
    })),
    // Debian has it setuid for `user` entries of fstab; here root mounts.
    { path: 'usr/sbin/mount.nfs', mode: 0o755, uid: 0, gid: 0 },
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

/** Where the kernel has these built in: units that would call modprobe for them at each start, to find nothing to do. */
export const builtinModules: Fixups['links'] = Object.fromEntries(
  ['configfs', 'drm', 'efi_pstore', 'fuse'].map((name) => [
    `usr/lib/systemd/system/modprobe@${name}.service`,
    '/dev/null',
  ]),
);

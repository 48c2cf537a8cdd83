/**
 * Units that are enabled, by links below /usr/lib/systemd/system. A machine can mask or override them in
 * /etc. A new release can change them, because nothing is copied to /etc.
 */
export const enabledUnits: readonly { readonly unit: string; readonly wantedBy: string }[] = [
  { unit: 'systemd-networkd.service', wantedBy: 'multi-user.target' },
  { unit: 'systemd-resolved.service', wantedBy: 'multi-user.target' },
  { unit: 'systemd-timesyncd.service', wantedBy: 'multi-user.target' },
  { unit: 'systemd-networkd-wait-online.service', wantedBy: 'network-online.target' },
  { unit: 'ssh.service', wantedBy: 'multi-user.target' },
  { unit: 'nftables.service', wantedBy: 'sysinit.target' },
  { unit: 'draisine-zpool-import.service', wantedBy: 'zfs-import.target' },
  { unit: 'zfs-import.target', wantedBy: 'zfs.target' },
  { unit: 'zfs-mount.service', wantedBy: 'zfs.target' },
  { unit: 'zfs.target', wantedBy: 'multi-user.target' },
  { unit: 'systemd-pstore.service', wantedBy: 'sysinit.target' },
  { unit: 'remote-fs.target', wantedBy: 'multi-user.target' },
  { unit: 'getty@tty1.service', wantedBy: 'getty.target' },
  { unit: 'draisine-install.service', wantedBy: 'multi-user.target' },
  { unit: 'draisine-console.service', wantedBy: 'multi-user.target' },
  { unit: 'fstrim.timer', wantedBy: 'timers.target' },
  // Its condition excludes virtual machines.
  { unit: 'smartmontools.service', wantedBy: 'multi-user.target' },
  // udev starts the monitor with the first array. The timers then have all arrays checked, each month.
  { unit: 'mdcheck_start.timer', wantedBy: 'mdmonitor.service' },
  { unit: 'mdcheck_continue.timer', wantedBy: 'mdmonitor.service' },
  { unit: 'home.mount', wantedBy: 'local-fs.target' },
  { unit: 'var-tmp.mount', wantedBy: 'local-fs.target' },
  // It runs only with draisine.add-key on the kernel command line (its condition).
  { unit: 'draisine-add-key.service', wantedBy: 'multi-user.target' },
  { unit: 'draisine-watch.timer', wantedBy: 'timers.target' },
  { unit: 'draisine-boot.service', wantedBy: 'basic.target' },
  { unit: 'draisine-update.timer', wantedBy: 'timers.target' },
  // It runs only with an extension in /var/lib/extensions (its conditions).
  { unit: 'systemd-sysext.service', wantedBy: 'sysinit.target' },
];

/** Alias= of the [Install] sections of these units. `systemctl enable` would make such links. */
export const unitAliases: Readonly<Record<string, string>> = {
  'dbus-org.freedesktop.network1.service': 'systemd-networkd.service',
  'dbus-org.freedesktop.resolve1.service': 'systemd-resolved.service',
  'dbus-org.freedesktop.timesync1.service': 'systemd-timesyncd.service',
  'smartd.service': 'smartmontools.service',
  'sshd.service': 'ssh.service',
};

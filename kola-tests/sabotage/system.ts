import { inPlaceOf, WRITABLE_USR } from '../fixtures/lying.ts';
import { dataUrl } from '../harness/guest/ignition.ts';
import type { Sabotage } from '../harness/run/sabotage.ts';

const sabotages: readonly Sabotage[] = [
  {
    name: 'system.odd-warning',
    what: 'a program prints a warning at boot that has no explanation',
    tests: ['system.no-unexplained-warnings'],
    because: /odd: something is not as it was/,
    guest:
      "echo 'something is not as it was' | systemd-cat --identifier=odd --priority=warning && journalctl --sync",
  },
  {
    name: 'system.silent-program',
    what: 'a program that the box asks answers nothing',
    tests: ['system.answers'],
    because: /^AssertionError.*\$ wipefs .*\/dev\/sda1/s,
    guest: 'mount --bind /usr/bin/true "$(command -v wipefs)"',
  },
  {
    name: 'system.setuid-at-home',
    what: 'setuid programs below /home give rights',
    tests: ['system.mounts'],
    because: /findmnt .*\/home|\/home: /,
    guest: 'umount /home',
  },
  {
    name: 'files.setuid',
    what: 'somebody left a setuid shell in /var',
    tests: ['system.setuid-list'],
    because: /setuid or setgid outside \/usr/,
    guest: 'cp /usr/bin/bash /var/lib/sabotage && chmod 4755 /var/lib/sabotage',
  },
  {
    name: 'files.world-writable',
    what: 'a file of /etc is writable for everybody',
    tests: ['system.file-owners'],
    because: /anybody may write there/,
    guest: 'chmod o+w /etc/hosts',
  },
  {
    name: 'files.nobody',
    what: 'a file belongs to a user that does not exist',
    tests: ['system.file-owners'],
    because: /owned by nobody/,
    guest: 'touch /var/lib/sabotage && chown 4242:4242 /var/lib/sabotage',
  },
  {
    name: 'users.moved',
    what: 'a system user has a different number',
    tests: ['system.users-pinned'],
    because: /messagebus:1999/,
    guest: "sed -i 's/^messagebus:x:999:/messagebus:x:1999:/' /etc/group",
  },
  {
    name: 'users.password',
    what: 'root has a password',
    tests: ['system.users-pinned'],
    because: /\$6\$sabotage/,
    guest: "sed -i 's|^root:[^:]*:|root:$6$sabotage$x:|' /etc/shadow",
  },
  {
    name: 'ssh.passwords',
    what: 'the machine config makes sshd accept passwords',
    tests: ['system.ssh-keys-only'],
    because: /sshd does not say: passwordauthentication no/,
    config: {
      files: [
        {
          path: '/etc/ssh/sshd_config.d/00-sabotage.conf',
          mode: 0o644,
          contents: { source: dataUrl('PasswordAuthentication yes\n') },
        },
      ],
    },
  },
  {
    name: 'ssh.no-keys',
    what: 'sshd does not accept keys',
    tests: ['ignition.user-ssh-key'],
    because: /Permission denied/,
    guest:
      "mkdir -p /etc/ssh/sshd_config.d && echo 'PubkeyAuthentication no' >/etc/ssh/sshd_config.d/00-sabotage.conf && systemctl restart ssh.service",
  },
  {
    name: 'sysctl.weak',
    what: 'users may read the log of the kernel',
    tests: ['system.sysctl'],
    because: /'kernel\.dmesg_restrict': '0'/,
    guest: 'sysctl --quiet --write kernel.dmesg_restrict=0',
  },
  {
    name: 'mounts.suid',
    what: 'setuid programs work in /tmp',
    tests: ['system.mounts'],
    because: /^AssertionError.*\/tmp: /,
    guest: 'mount -o remount,suid /tmp',
  },
  {
    name: 'time.not-set',
    what: 'no program sets the clock',
    tests: ['system.time'],
    because: /unit systemd-timesyncd\.service is inactive|systemd-timesyncd\.service active: not yet|NTP=no/,
    limitFactor: 0.1,
    guest: 'timedatectl set-ntp false',
  },
  {
    name: 'timers.gone',
    what: 'old files are never cleaned up',
    tests: ['system.timers'],
    because: /systemd-tmpfiles-clean\.timer never elapses|which timers a machine has/,
    guest: 'systemctl mask --now --quiet systemd-tmpfiles-clean.timer',
  },
  {
    name: 'journal.volatile',
    what: 'the journal is lost with the power',
    tests: ['system.journal'],
    because: /exit \d+ of: findmnt .* \/var\/log\/journal\/|journalctl --directory=\S+ .*\n.*No such file/,
    guest: `mkdir -p /etc/systemd/journald.conf.d
      printf '[Journal]\\nStorage=volatile\\n' >/etc/systemd/journald.conf.d/99-sabotage.conf
      systemctl restart systemd-journald && rm -rf /var/log/journal/*`,
  },
  {
    name: 'etc.copied',
    what: '/etc is a copy instead of an overlay, and gets no new defaults',
    tests: ['system.etc-overlay'],
    because: /AssertionError.*overlay/s,
    guest: 'mkdir /run/sabotage && cp -a /etc/. /run/sabotage && mount --bind /run/sabotage /etc',
  },
  {
    name: 'modules.tainted',
    what: 'a module is loaded that is not part of the image',
    tests: ['system.modules'],
    because: /4096/,
    // Sets the taint that a foreign module would set (tainted-kernels.rst: bit 12, out of tree).
    guest: 'echo 4096 >/proc/sys/kernel/tainted',
  },
  {
    name: 'modules.missing',
    what: 'a module cannot be loaded',
    tests: ['system.modules'],
    because: /modprobe --all/,
    guest: "echo 'install wireguard /usr/bin/false' >/etc/modprobe.d/sabotage.conf",
  },
  {
    name: 'ignition.dropin-lost',
    what: 'a drop-in of the machine config is missing',
    tests: ['ignition.units'],
    because: /WORDS=ours/,
    guest: 'rm /etc/systemd/system/ssh.service.d/20-words.conf && systemctl daemon-reload',
  },
  {
    name: 'ignition.wrong-mode',
    what: 'a secret of the machine config is readable for everybody',
    tests: ['ignition.files'],
    because: /644 root:root/,
    guest: 'chmod 644 /etc/secret',
  },
  {
    name: 'kernel.another-config',
    what: 'the running kernel has another configuration than the image says',
    tests: ['kernel.config'],
    because: /^AssertionError.*CONFIG_/s,
    guest: `zcat /proc/config.gz | sed s/=m/=y/ | gzip >/run/sabotage.gz
      mount --bind /run/sabotage.gz /proc/config.gz`,
  },
  {
    name: 'kernel.unsigned-module',
    what: 'a module of the image has no signature',
    tests: ['kernel.modules-signed'],
    because: /none: \/usr\/lib\/modules\/.*\/dummy\.ko/,
    guest: `${WRITABLE_USR} && module=$(modinfo -n dummy) && truncate --size=-20 "$module"`,
  },
  {
    name: 'kernel.idle-module',
    what: 'a module is loaded that nothing needs',
    tests: ['kernel.no-unneeded'],
    because: /dummy/,
    guest: 'modprobe dummy',
  },
  {
    name: 'system.memory-taken',
    what: 'a service holds much memory',
    tests: ['system.idle'],
    because: /KiB available of/,
    guest: `systemd-run --quiet sh -c 'head -c 200M /dev/zero >/dev/shm/sabotage; sleep 1000'
      until [ "$(stat -c %s /dev/shm/sabotage 2>/dev/null)" = 209715200 ]; do sleep 0.2; done`,
  },
  {
    name: 'ssh.no-mending',
    what: 'nothing makes a new host key if sshd cannot use the old one',
    tests: ['system.bad-host-key'],
    because: /ssh\.service|:22|port 22/,
    limitFactor: 0.2,
    guest: `mkdir -p /etc/systemd/system/ssh.service.d
      printf '[Service]\\nExecStartPre=\\n' >/etc/systemd/system/ssh.service.d/sabotage.conf && systemctl daemon-reload`,
  },
  {
    name: 'install.mounts-unseen',
    what: 'lsblk reports no mounted file system, so the installer takes disks that are in use',
    tests: ['install.refused'],
    because: /mounted/,
    guest: inPlaceOf('lsblk', `"$real" "$@" | sed 's#"/mnt"#null#'`),
  },
];

export default sabotages;

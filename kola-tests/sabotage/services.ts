import { setTimeout as sleep } from 'node:timers/promises';
import { dataUrl } from '../harness/guest/ignition.ts';
import type { Sabotage } from '../harness/run/sabotage.ts';

/** Sets an option of podman for all containers, in a drop-in file of containers.conf(5). */
const containers = (settings: string): string =>
  `mkdir -p /etc/containers/containers.conf.d && printf '[containers]\\n${settings}\\n' >/etc/containers/containers.conf.d/99-sabotage.conf`;

/** Faults of networks, containers and ZFS. */
const sabotages: readonly Sabotage[] = [
  {
    name: 'net.no-dns',
    what: 'the resolver asks a DNS server that does not exist',
    tests: ['net.dhcp-dns'],
    because: /nameserver|getent|resolvectl/,
    guest: 'rm /etc/resolv.conf && echo nameserver 192.0.2.1 >/etc/resolv.conf',
  },
  {
    name: 'net.no-ipv6',
    what: 'the kernel has IPv6 turned off',
    tests: ['net.ipv6'],
    because: /fec0::5054/,
    limitFactor: 0.1,
    guest: 'sysctl --quiet --write net.ipv6.conf.all.disable_ipv6=1',
  },
  {
    name: 'nftables.forward-dropped',
    what: 'the firewall drops all packets to and from containers',
    tests: ['podman.way-out'],
    because: /(still running after|can't connect to remote host).*(wget|10\.0\.2\.2)/,
    limitFactor: 0.25,
    guest:
      "nft 'add table inet sabotage; add chain inet sabotage forward { type filter hook forward priority -200; policy drop; }'",
  },
  {
    name: 'podman.no-ranges',
    what: 'there are no user ids for containers with --userns=auto',
    tests: ['podman.userns-auto'],
    because: /podman run .*--userns=auto/,
    guest: 'sed -i /^containers:/d /etc/subuid /etc/subgid',
  },
  {
    name: 'podman.all-capabilities',
    what: 'containers have all capabilities that root has on the host',
    tests: ['podman.confinement'],
    because: /CapEff/,
    guest: containers('default_capabilities = ["CHOWN", "SYS_ADMIN", "NET_ADMIN"]'),
  },
  {
    name: 'podman.no-seccomp',
    what: 'no system call is forbidden to containers',
    tests: ['podman.confinement'],
    because: /Seccomp/,
    guest: containers('seccomp_profile = "unconfined"'),
  },
  {
    name: 'podman.host-pids',
    what: 'containers see the processes of the host',
    tests: ['container.run'],
    because: /^AssertionError.*'1'/s,
    guest: containers('pidns = "host"'),
  },
  {
    name: 'podman.log-elsewhere',
    what: 'logs of containers are not in the journal',
    tests: ['podman.exec-logs'],
    because: /regular expression \/\^to-stdout\$\/m|exit 1 of: journalctl --output=cat CONTAINER_NAME=one/,
    guest: containers('log_driver = "k8s-file"'),
  },
  {
    name: 'podman.no-name-server',
    what: 'aardvark-dns is missing',
    tests: ['podman.dns-between-containers'],
    because: /bad address 'web'|netavark.*aardvark|exit 1 of: pgrep -x aardvark-dns/,
    guest: 'mount --bind /usr/bin/true /usr/lib/podman/aardvark-dns',
  },
  {
    name: 'quadlet.broken',
    what: 'the quadlet names an image that does not exist',
    tests: ['container.quadlet'],
    because: /web\.service/,
    config: {
      files: [
        {
          path: '/etc/containers/systemd/web.container.d/99-sabotage.conf',
          mode: 0o644,
          contents: { source: dataUrl('[Container]\nImage=localhost/sabotage\n') },
        },
      ],
    },
  },
  {
    name: 'zfs.module-removed',
    what: 'the ZFS module cannot be loaded',
    tests: ['zfs.mirror', 'zfs.arc-cap', 'system.modules'],
    because: /zpool create|modprobe zfs/,
    guest: "echo 'install zfs /usr/bin/false' >/etc/modprobe.d/00-sabotage.conf",
  },
  {
    name: 'zfs.arc-uncapped',
    what: 'the ARC may take most of the memory',
    tests: ['zfs.arc-cap'],
    because: /the ARC may grow to/,
    guest: "echo 'options zfs zfs_arc_max=402653184' >/etc/modprobe.d/00-sabotage.conf",
  },
  {
    name: 'zfs.no-import',
    what: 'pools are not imported at boot',
    tests: ['boot.second'],
    because: /zpool list|zfs\.target/,
    guest: 'systemctl mask --quiet draisine-zpool-import.service',
  },
  {
    name: 'zfs.disk-corrupts',
    what: 'a disk of the mirror returns other bytes than were written',
    tests: ['zfs.mirror'],
    because: /scrub repaired 0B/,
    during: async ({ box }, signal) => {
      await box?.waitForFile('/tank/data/blob');
      // Damages the disk between its first labels and the end of the test's data, until the scrub has read the damage.
      while (!signal.aborted && box?.isOn()) {
        await box.corrupt('left', 8 << 20, 32 << 20);
        await sleep(2000);
      }
    },
  },
];

export default sabotages;

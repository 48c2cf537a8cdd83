import type { Sabotage } from '../harness/run/sabotage.ts';

/** Writes a file for systemd-networkd, whose user must be able to read it. */
const networkFile = (path: string, text: string): string =>
  `umask 022 && mkdir -p "$(dirname /etc/systemd/network/${path})" && printf '${text}' >/etc/systemd/network/${path}`;

/** Adds a drop-in to a file that the test writes. */
const dropIn = (file: string, text: string): string => networkFile(`${file}.d/sabotage.conf`, text);

/** Drops packets that match an expression of nft(8), in a hook before all other rules. */
const dropped = (hook: string, match: string): string =>
  `nft 'add table inet sabotage
    add chain inet sabotage ${hook} { type filter hook ${hook} priority -300; }
    add rule inet sabotage ${hook} ${match} drop'`;

/** Faults of networks and firewalls. */
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
    tests: ['podman.way-out', 'container.published-port'],
    because: /(still running after|can't connect to remote host).*(wget|10\.0\.2\.2)|not yet|fetch failed/,
    limitFactor: 0.25,
    guest: dropped('forward', ''),
  },
  {
    name: 'nftables.no-ipv6',
    what: 'published ports do not answer over IPv6',
    tests: ['podman.published-ipv6'],
    because: /fd00:78::1/,
    limitFactor: 0.1,
    guest: dropped('output', 'ip6 daddr fd00:78::/64 tcp dport 8080'),
  },
  {
    name: 'nftables.not-reloaded',
    what: 'a reload of the firewall leaves the old rules in force',
    tests: ['net.firewall'],
    because: /a closed port answers/,
    guest: `mkdir -p /etc/systemd/system/nftables.service.d
      printf '[Service]\\nExecReload=\\nExecReload=/usr/bin/true\\n' >/etc/systemd/system/nftables.service.d/sabotage.conf
      systemctl daemon-reload`,
  },
  {
    name: 'networkd.takes-all',
    what: 'the machine configures every link by DHCP, also virtual ones',
    tests: ['net.static'],
    because: /unmanaged/,
    limitFactor: 0.1,
    guest: `${networkFile('79-sabotage.network', '[Match]\\nName=*\\n[Network]\\nDHCP=yes\\n')} && networkctl reload`,
  },
  {
    name: 'networkd.no-vlan-tag',
    what: 'a VLAN has another number',
    tests: ['net.vlan'],
    because: /10\.9\.7\.1/,
    limitFactor: 0.1,
    guest: dropIn('10-v7.netdev', '[VLAN]\\nId=9\\n'),
  },
  {
    name: 'networkd.isolated-ports',
    what: 'a bridge does not connect its ports with each other',
    tests: ['net.bridge'],
    because: /10\.9\.0\.3/,
    limitFactor: 0.1,
    guest: dropIn('10-ports.network', '[Bridge]\\nIsolated=yes\\n'),
  },
  {
    name: 'networkd.blind-bond',
    what: 'a bond does not notice that a cable was cut',
    tests: ['net.bond'],
    because: /ping -I bond0/,
    limitFactor: 0.1,
    guest: dropIn('10-bond.netdev', '[Bond]\\nMIIMonitorSec=0\\n'),
  },
  {
    name: 'wireguard.missing',
    what: 'the module of WireGuard cannot be loaded',
    tests: ['net.wireguard', 'kernel.crypto'],
    because: /wg[01]|wireguard/,
    limitFactor: 0.2,
    guest: "echo 'install wireguard /usr/bin/false' >/etc/modprobe.d/sabotage.conf",
  },
  {
    name: 'netfilter.missing',
    what: 'the kernel lacks a module for iptables in containers',
    tests: ['kernel.netfilter'],
    because: /modprobe --all/,
    guest: "echo 'install xt_recent /usr/bin/false' >/etc/modprobe.d/sabotage.conf",
  },
];

export default sabotages;

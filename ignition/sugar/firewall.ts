import { badInput } from '../../sdk/lib/errors.ts';
import { isAddress, isNetwork } from './addresses.ts';
import { file } from './file.ts';
import { type Fragment, matching, mergeFragments } from './fragment.ts';
import { unit } from './unit.ts';

/** Well-known services and their ports (IANA service names). */
const SERVICES = {
  ssh: { tcp: [22] },
  dns: { tcp: [53], udp: [53] },
  http: { tcp: [80] },
  https: { tcp: [443], udp: [443] },
  ntp: { udp: [123] },
  nfs: { tcp: [2049] },
  smb: { tcp: [445] },
  iscsi: { tcp: [3260] },
  rsync: { tcp: [873] },
  mdns: { udp: [5353] },
  wireguard: { udp: [51820] },
} as const satisfies Record<string, Ports>;

interface Ports {
  readonly tcp?: readonly number[];
  readonly udp?: readonly number[];
}

/** A service that the firewall knows by name. */
export type ServiceName = keyof typeof SERVICES;

/** A service of your own, or a known one that only some networks may reach. */
export type Service =
  | ServiceName
  | ({ readonly name: string; readonly from?: readonly string[]; readonly interface?: string } & Ports);

/** The traffic that the firewall accepts. */
export interface FirewallOptions {
  /**
   * Open services: of the machine, and on ports that containers publish. Everything else is dropped. Replies,
   * loopback, ping and neighbour discovery pass.
   * Containers on a bridge reach a service of the machine itself only if an entry names `interface:
   * 'podman*'`.
   */
  readonly allow: readonly Service[];
}

/** A port that a container or pod publishes, and the networks that may reach it. */
export interface Opening {
  readonly name: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
  readonly from: readonly string[] | 'anywhere';
}

function portsOf(service: Exclude<Service, string>): Ports {
  if (service.tcp || service.udp) return service;
  const known = (SERVICES as Record<string, Ports>)[service.name];
  if (known) return known;
  throw badInput(`unknown service ${service.name}`, {
    where: 'firewall.allow',
    hint: `give its tcp or udp ports, or use one of ${Object.keys(SERVICES).join(', ')}`,
  });
}

function sources(from: readonly string[]): string[] {
  // nft loads all rules or none: a network that it refuses would leave the machine without any rule.
  for (const net of from)
    if (!isAddress(net) && !isNetwork(net))
      throw badInput(`not a network: ${JSON.stringify(net)}`, {
        where: 'firewall',
        hint: 'write 192.0.2.0/24',
      });
  if (from.length === 0)
    throw badInput('`from` names no network: nobody could reach the port', {
      where: 'firewall',
      hint: 'name one, or leave `from` out',
    });
  const six = from.filter((net) => net.includes(':'));
  const four = from.filter((net) => !net.includes(':'));
  return [
    ...(four.length > 0 ? [`ip saddr { ${four.join(', ')} } `] : []),
    ...(six.length > 0 ? [`ip6 saddr { ${six.join(', ')} } `] : []),
  ];
}

/** Whether a list of services opens a port, at least for some addresses. */
export function allows(allow: readonly Service[], protocol: 'tcp' | 'udp', port: number): boolean {
  return allow.some((service) =>
    portsOf(typeof service === 'string' ? { name: service } : service)[protocol]?.includes(port),
  );
}

/**
 * The rule of a service.
 * @param match the destination port: `dport`, or the port before the address was translated
 */
function rules(service: Service, match: (protocol: string) => string): string[] {
  const one = typeof service === 'string' ? { name: service } : service;
  const ports = portsOf(one);
  const name = matching(
    one.name,
    /^[A-Za-z0-9 ._-]{1,64}$/,
    'service name',
    'use letters, digits, . - and _',
  );
  const input =
    'interface' in one && one.interface
      ? `iifname ${JSON.stringify(matching(one.interface, /^[A-Za-z0-9_.-]{1,15}\*?$/, 'interface name', 'as `networkctl` shows it'))} `
      : '';
  const from = 'from' in one && one.from ? sources(one.from) : [''];
  return from.flatMap((source) =>
    (['tcp', 'udp'] as const).flatMap((protocol) => {
      const list = ports[protocol] ?? [];
      for (const port of list) {
        if (!Number.isInteger(port) || port < 1 || port > 65535)
          throw badInput(`${port} is not a port`, { where: name });
      }
      return list.length === 0
        ? []
        : [`${input}${source}${match(protocol)} { ${list.join(', ')} } accept comment "${name}"`];
    }),
  );
}

const toHost = (protocol: string): string => `${protocol} dport`;
const toContainer = (protocol: string): string => `meta l4proto ${protocol} ct original proto-dst`;

function opened({ name, port, protocol, from }: Opening): string[] {
  const service = { name, [protocol]: [port] };
  return rules(from === 'anywhere' ? service : { ...service, from }, toContainer);
}

const indented = (lines: readonly string[]): string =>
  [...new Set(lines)].map((line) => `    ${line}\n`).join('');

/**
 * The ruleset (nft(8)). It replaces its own table only: podman's tables stay.
 * A published port is translated before it is forwarded (netavark), so the rule looks at the port that the
 * client asked for. It looks at traffic from outside only: containers reach each other, and the machine
 * reaches its own ports.
 */
export function ruleset({ allow }: FirewallOptions, openings: readonly Opening[] = []): string {
  const fromContainers = allow.filter(
    (service) => typeof service === 'object' && service.interface?.startsWith('podman'),
  );
  const others = allow.filter((service) => !fromContainers.includes(service));
  const accepted = [
    ...fromContainers.flatMap((service) => rules(service, toHost)),
    `iifname "podman*" drop comment "containers do not reach the machine's own services"`,
    ...others.flatMap((service) => rules(service, toHost)),
  ];
  const forwarded = [...allow.flatMap((service) => rules(service, toContainer)), ...openings.flatMap(opened)];
  return `#!/usr/sbin/nft -f
table inet draisine
delete table inet draisine
table inet draisine {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    ct state invalid drop
    iif lo accept
    meta l4proto { icmp, ipv6-icmp } accept
    udp dport { 68, 546 } accept comment "DHCP replies"
    iifname "podman*" meta l4proto { tcp, udp } ct original proto-dst 53 accept comment "names of containers"
${indented(accepted)}  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    ct status dnat iifname != "podman*" jump published
  }
  chain published {
${indented(forwarded)}    drop
  }
}
`;
}

/** The firewall of the machine, and the ports that its containers publish. */
export function firewall(options: FirewallOptions, openings: readonly Opening[] = []): Fragment {
  return mergeFragments(
    file('/etc/nftables.conf', { contents: ruleset(options, openings), mode: 0o644 }),
    unit('nftables.service', { enabled: true }),
  );
}

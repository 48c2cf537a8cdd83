import { badInput } from '../../sdk/lib/errors.ts';
import { isAddress, isNetwork, isWholeNetwork, networksMeet } from './addresses.ts';
import { file } from './file.ts';
import { type Fragment, matching, mergeFragments } from './fragment.ts';
import { type Section, section, unitText } from './ini.ts';

/** A port, by its hardware address, by its place on the bus (`ID_PATH` of udev) or by its name. */
export type Port = { readonly mac: string } | { readonly path: string } | { readonly name: string };

/** How an interface gets addresses: from the network (`dhcp`), or static ones with their prefix length, or both. */
interface Addresses {
  readonly dhcp?: true | 'ipv4' | 'ipv6';
  readonly addresses?: readonly string[];
  readonly gateway?: string;
  readonly dns?: readonly string[];
}

/** The addresses of an interface: from the network, static ones, or `none`. */
export type Addressing =
  | (Addresses & { readonly dhcp: true | 'ipv4' | 'ipv6' })
  | (Addresses & { readonly addresses: readonly [string, ...string[]] })
  | { readonly none: true };

/** A network card: its addresses, its port, and its VLANs. */
export type Interface = Addressing & { readonly port: Port; readonly vlans?: readonly string[] };

/** A VLAN (IEEE 802.1Q) by its number. */
export type Vlan = Addressing & { readonly id: number };

/** Several cards as one (systemd.netdev(5), [Bond]). */
export type Bond = Addressing & {
  readonly ports: readonly [Port, ...Port[]];
  readonly mode?: 'active-backup' | '802.3ad' | 'balance-alb' | 'balance-rr' | 'balance-tlb' | 'balance-xor';
  readonly vlans?: readonly string[];
};

/** Several cards in one layer-2 network (systemd.netdev(5), Kind=bridge). */
export type Bridge = Addressing & {
  readonly ports: readonly [Port, ...Port[]];
  readonly vlans?: readonly string[];
};

/** The network of the machine (systemd.network(5)). */
export interface NetworkOptions {
  /** Network cards that are used directly. You choose the names; they become file names. */
  readonly interfaces?: { readonly [name: string]: Interface };
  readonly bonds?: { readonly [name: string]: Bond };
  readonly bridges?: { readonly [name: string]: Bridge };
  /** VLANs by interface name. The interface, bond or bridge below a VLAN names it in its `vlans`. */
  readonly vlans?: { readonly [name: string]: Vlan };
}

const FOLDER = '/etc/systemd/network';

function match(port: Port): Section {
  if ('mac' in port) {
    const mac = matching(
      port.mac,
      /^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/,
      'MAC address',
      'write 00:11:22:33:44:55',
    );
    return section('Match', { PermanentMACAddress: mac.toLowerCase(), Kind: '!*' });
  }
  // An empty text would match every port.
  const words = (text: string, what: string): string =>
    matching(text, /^\S+( \S+)*$/, what, 'write it as `networkctl status` shows it');
  if ('path' in port) return section('Match', { Path: words(port.path, 'path of a port'), Kind: '!*' });
  return section('Match', { Name: words(port.name, 'name of a port') });
}

/** Refuses addresses that networkd would ignore. */
function checkAddresses({ dhcp, addresses = [], gateway, dns = [] }: Addresses): void {
  // ADDRESS, or with a port, an interface or a name (systemd.network(5), DNS=)
  for (const server of dns)
    if (
      !isAddress(server.replace(/[%#].*$/, '').replace(/^([0-9.]+):[0-9]+$|^\[(.*)\](?::[0-9]+)?$/, '$1$2'))
    )
      throw badInput(`the name server is not an address: ${JSON.stringify(server)}`, {
        where: 'network',
        hint: 'write 192.0.2.53',
      });
  for (const address of addresses)
    if (!isNetwork(address))
      throw badInput(`not an address with prefix length: ${JSON.stringify(address)}`, {
        where: 'network',
        hint: 'write 192.0.2.2/24',
      });
  // Of networks with one or two addresses, each address is one of a machine (RFC 3021).
  const whole = addresses.find((address) => isWholeNetwork(address) && !/:|\/3[12]$/.test(address));
  if (whole !== undefined)
    throw badInput(`${whole} is a network, not an address of the machine`, {
      where: 'network',
      hint: 'write the address of the machine with the prefix length: 192.0.2.2/24',
    });
  if (gateway === undefined) return;
  if (!isAddress(gateway))
    throw badInput(`the gateway is not an address: ${JSON.stringify(gateway)}`, {
      where: 'network',
      hint: 'write it without a prefix length: 192.0.2.1',
    });
  checkGateway(gateway, addresses, dhcp);
}

/**
 * Refuses an IPv4 gateway that the kernel does not take, because it is in no network of the interface. Routers may give
 * more IPv6 addresses at any time.
 */
function checkGateway(gateway: string, addresses: readonly string[], dhcp: Addresses['dhcp']): void {
  const networks = addresses.filter((address) => !address.includes(':'));
  if (gateway.includes(':') || dhcp === true || dhcp === 'ipv4' || networks.length === 0) return;
  if (networks.some((network) => networksMeet(network, `${gateway}/32`))) return;
  throw badInput(
    `the gateway ${gateway} is not in ${networks.join(' or ')}, so the machine cannot reach it`,
    {
      where: 'network',
      hint: 'correct the gateway, the address or its prefix length',
    },
  );
}

function addressing(name: string, options: Addressing): Section['settings'] {
  const { none, ...from } = options as Addresses & { readonly none?: true };
  const { dhcp, addresses, gateway, dns } = from;
  const hasAddresses = dhcp !== undefined || (addresses?.length ?? 0) > 0;
  if (hasAddresses === (none === true))
    throw badInput(`${name} has ${hasAddresses ? 'addresses, and none as well' : 'no addresses'}`, {
      where: 'network',
      hint: 'write dhcp: true, or addresses, or none: true',
    });
  if (none) return { LinkLocalAddressing: 'no' };
  checkAddresses(from);
  return { DHCP: dhcp === true ? 'yes' : dhcp, Address: addresses, Gateway: gateway, DNS: dns };
}

/**
 * Identifies the machine to DHCP servers by the card. networkd would use the machine-id, which changes at a
 * reset, and with it leases and reservations.
 * The hardware address of a bond or a bridge is made of the machine-id as well: for those, reserve by name or
 * by their ports.
 */
function identity(options: Addressing): readonly Section[] {
  if (!('dhcp' in options)) return [];
  return [section('DHCPv4', { ClientIdentifier: 'mac' }), section('DHCPv6', { DUIDType: 'link-layer' })];
}

/** networkd follows ICMPv6 redirects by itself, whatever sysctl says. The image's own network does not either. */
const NO_REDIRECTS = section('IPv6AcceptRA', { UseRedirect: false });

function addressed(
  name: string,
  options: Addressing & { readonly vlans?: readonly string[] },
): readonly Section[] {
  const sections = [section('Network', { ...addressing(name, options), VLAN: options.vlans })];
  return 'none' in options ? sections : [...sections, NO_REDIRECTS, ...identity(options)];
}

function interfaceName(name: string): string {
  return matching(
    name,
    /^[A-Za-z0-9_.-]{1,15}$/,
    'interface name',
    'use at most 15 letters, digits, . - and _',
  );
}

const networkFile = (name: string, sections: readonly Section[]): Fragment =>
  file(`${FOLDER}/${name}`, { contents: unitText(sections) });

/** A virtual device (bond, bridge, VLAN) and its network. */
function device(
  name: string,
  netdev: readonly Section[],
  options: Addressing & { readonly vlans?: readonly string[] },
): Fragment {
  return mergeFragments(
    networkFile(`10-${name}.netdev`, netdev),
    networkFile(`30-${name}.network`, [section('Match', { Name: name }), ...addressed(name, options)]),
  );
}

function members(name: string, kind: 'Bond' | 'Bridge', ports: readonly Port[]): Fragment[] {
  return ports.map((port, index) =>
    networkFile(`20-${name}-${index}.network`, [match(port), section('Network', { [kind]: name })]),
  );
}

function checkVlans({ interfaces = {}, bonds = {}, bridges = {}, vlans = {} }: NetworkOptions): void {
  const used = [...Object.values(interfaces), ...Object.values(bonds), ...Object.values(bridges)].flatMap(
    (parent) => parent.vlans ?? [],
  );
  for (const name of used) {
    if (!Object.hasOwn(vlans, name))
      throw badInput(`VLAN ${name} is not declared`, { where: 'network.vlans', hint: 'declare its id' });
  }
  for (const name of Object.keys(vlans)) {
    const times = used.filter((one) => one === name).length;
    if (times !== 1) {
      throw badInput(`VLAN ${name} is in the vlans of ${times} interfaces`, {
        where: `network.vlans.${name}`,
        hint: 'name it in the vlans of one interface, bond or bridge',
      });
    }
  }
}

/** Refuses names and ports that two parts of the network have: only one of them would be made. */
function checkTwice({ interfaces = {}, bonds = {}, bridges = {}, vlans = {} }: NetworkOptions): void {
  const owners = new Map<string, string>();
  const claim = (thing: string, owner: string): void => {
    const other = owners.get(thing);
    if (other !== undefined)
      throw badInput(`${other} and ${owner} of the network have the same ${thing}`, {
        where: `network.${owner}`,
        hint: 'change one of them',
      });
    owners.set(thing, owner);
  };
  type Named = { readonly [name: string]: { readonly port?: Port; readonly ports?: readonly Port[] } };
  for (const [section, named] of Object.entries<Named>({ interfaces, bonds, bridges, vlans: vlans as Named }))
    for (const [name, one] of Object.entries(named)) {
      claim(`name ${name}`, `${section}.${name}`);
      for (const port of [...(one.port ? [one.port] : []), ...(one.ports ?? [])])
        claim(`port ${Object.values(port).join().toLowerCase()}`, `${section}.${name}`);
    }
}

/** Addresses, VLANs, bonds and bridges as systemd-networkd files (systemd.network(5), systemd.netdev(5)). */
export function network(options: NetworkOptions): Fragment {
  checkVlans(options);
  checkTwice(options);
  const { interfaces = {}, bonds = {}, bridges = {}, vlans = {} } = options;
  const parts: Fragment[] = [];
  for (const [name, one] of Object.entries(interfaces)) {
    parts.push(networkFile(`30-${interfaceName(name)}.network`, [match(one.port), ...addressed(name, one)]));
  }
  for (const [name, bond] of Object.entries(bonds)) {
    const mode = section('Bond', { Mode: bond.mode ?? 'active-backup', MIIMonitorSec: '100ms' });
    const netdev = [section('NetDev', { Name: interfaceName(name), Kind: 'bond' }), mode];
    parts.push(device(name, netdev, bond), ...members(name, 'Bond', bond.ports));
  }
  for (const [name, bridge] of Object.entries(bridges)) {
    const netdev = [section('NetDev', { Name: interfaceName(name), Kind: 'bridge' })];
    parts.push(device(name, netdev, bridge), ...members(name, 'Bridge', bridge.ports));
  }
  for (const [name, vlan] of Object.entries(vlans)) {
    if (!Number.isInteger(vlan.id) || vlan.id < 1 || vlan.id > 4094) {
      throw badInput(`VLAN id ${vlan.id} is not 1 to 4094`, { where: `network.vlans.${name}` });
    }
    const netdev = [
      section('NetDev', { Name: interfaceName(name), Kind: 'vlan' }),
      section('VLAN', { Id: vlan.id }),
    ];
    parts.push(device(name, netdev, vlan));
  }
  return mergeFragments(...parts);
}

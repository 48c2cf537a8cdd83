import { GATE_FIELDS, type UpdateWindow } from '../../packages/box/settings/update.ts';
import type { ContainerOptions, Device, PodOptions, PublishedPort, Volume } from './container-options.ts';
import type { Service } from './firewall.ts';
import { type AllNames, checkKind } from './kinds.ts';
import type { Bond, Bridge, Interface, NetworkOptions, Port, Vlan } from './network.ts';
import { TARGET_OPTIONS } from './notify.ts';
import type { Ulimit } from './tuning.ts';

/** Names of the options in lists or maps of a section: `containers.web.volumes[0]`. */

const VOLUME: AllNames<Volume> = {
  at: 'text!',
  readOnly: 'flag',
  dataset: 'text',
  below: 'text',
  path: 'text',
  volume: 'text',
};
const PORT: AllNames<PublishedPort> = {
  host: 'number!',
  container: 'number',
  protocol: 'text',
  address: 'text',
  from: 'text|list',
};
const DEVICE: AllNames<Exclude<Device, string>> = { path: 'text!', at: 'text', unplugs: 'flag' };
const CAPABILITIES: AllNames<NonNullable<ContainerOptions['capabilities']>> = { add: 'list', drop: 'list' };
const NETWORKS = { names: 'list!' };
const ULIMIT: AllNames<Ulimit> = { soft: 'number!', hard: 'number!' };
const NIC: AllNames<Port> = { mac: 'text', path: 'text', name: 'text' };
const ADDRESSING = {
  dhcp: 'text|flag',
  dns: 'list',
  addresses: 'list',
  gateway: 'text',
  none: 'flag',
} as const;
const INTERFACE: AllNames<Interface> = { ...ADDRESSING, port: 'map!', vlans: 'list' };
const BOND: AllNames<Bond> = { ...ADDRESSING, ports: 'list!', mode: 'text', vlans: 'list' };
const BRIDGE: AllNames<Bridge> = { ...ADDRESSING, ports: 'list!', vlans: 'list' };
const VLAN: AllNames<Vlan> = { ...ADDRESSING, id: 'number!' };
const SERVICE: AllNames<Exclude<Service, string>> = {
  name: 'text!',
  from: 'list',
  interface: 'text',
  tcp: 'list',
  udp: 'list',
};
const WINDOW: AllNames<UpdateWindow> = { days: 'list', from: 'text!', minutes: 'number!' };

/** One set of options, the names that it may have, and its path. */
export type Named = readonly [options: object, known: object, where: string];

/**
 * The sets of a list, or of a single object. Other values have no names.
 * @param kinds of the items of a list
 */
function each(things: unknown, known: object, where: string, kinds = 'text|map'): Named[] {
  if (Array.isArray(things))
    return things.flatMap((thing, at) => {
      checkKind(thing, kinds, `${where}[${at}]`);
      return each(thing, known, `${where}[${at}]`);
    });
  return typeof things === 'object' && things !== null ? [[things, known, where]] : [];
}

/** The sets of a map. */
function byName<T extends object>(
  things: { readonly [name: string]: T } | undefined,
  where: string,
  of: (thing: T, where: string) => Named[],
): Named[] {
  return Object.entries(things ?? {}).flatMap(([name, thing]) => of(thing ?? {}, `${where}.${name}`));
}

/** The sets of containers and pods. */
export function innerOfContainer(
  options: Partial<ContainerOptions> | Partial<PodOptions>,
  where: string,
): Named[] {
  const { ports, volumes, devices, capabilities, network, ulimits } = options as Partial<ContainerOptions>;
  return [
    ...each(ports, PORT, `${where}.ports`, 'number|map'),
    ...each(volumes, VOLUME, `${where}.volumes`, 'map'),
    ...each(devices, DEVICE, `${where}.devices`),
    ...each(capabilities, CAPABILITIES, `${where}.capabilities`),
    ...each(network, NETWORKS, `${where}.network`),
    ...Object.entries(ulimits ?? {}).flatMap(([name, one]) => each(one, ULIMIT, `${where}.ulimits.${name}`)),
  ];
}

/** The names of options inside of `network`, for the check of their spelling. */
export function innerOfNetwork({ interfaces, bonds, bridges, vlans }: NetworkOptions): Named[] {
  return [
    ...byName(interfaces, 'network.interfaces', (nic, at) => [
      ...each(nic, INTERFACE, at),
      ...each(nic.port, NIC, `${at}.port`),
    ]),
    ...byName(bonds, 'network.bonds', (bond, at) => [
      ...each(bond, BOND, at),
      ...each(bond.ports, NIC, `${at}.ports`, 'map'),
    ]),
    ...byName(bridges, 'network.bridges', (bridge, at) => [
      ...each(bridge, BRIDGE, at),
      ...each(bridge.ports, NIC, `${at}.ports`, 'map'),
    ]),
    ...byName(vlans, 'network.vlans', (vlan, at) => each(vlan, VLAN, at)),
  ];
}

/** The names of options inside of `firewall.allow`, for the check of their spelling. */
export const innerOfFirewall = ({ allow }: { readonly allow?: unknown }): Named[] =>
  each(allow, SERVICE, 'firewall.allow');

/** The names of options inside of `notify.targets`, for the check of their spelling. */
export const innerOfNotify = ({ targets }: { readonly targets?: unknown }): Named[] =>
  each(targets, TARGET_OPTIONS, 'notify.targets');

/** The names of options inside of `update`, for the check of their spelling. */
export const innerOfUpdate = ({
  windows,
  gates,
}: {
  readonly windows?: unknown;
  readonly gates?: unknown;
}): Named[] => [...each(windows, WINDOW, 'update.windows'), ...each(gates, GATE_FIELDS, 'update.gates')];

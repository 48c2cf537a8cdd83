import { posix } from 'node:path';
import { badInput } from '../../sdk/lib/errors.ts';
import type { Text } from '../base/secret.ts';
import { isAddress, isNetwork } from './addresses.ts';
import { datasetService } from './dataset.ts';
import { file } from './file.ts';
import { type Fragment, matching, mergeFragments } from './fragment.ts';
import { copied, type Section, type Setting, section, systemdQuote, unitText } from './ini.ts';
import { type Tuning, tuningSettings } from './tuning.ts';
import { unit } from './unit.ts';
import { unitPath } from './unit-name.ts';
import { poolService } from './zpool.ts';

/** A mount of a container. `D` is the type of the declared datasets. */
export type Volume<D extends string = string> = { readonly at: string; readonly readOnly?: boolean } & (
  | { readonly dataset: D; readonly below?: string }
  | { readonly path: string }
  | { readonly volume: string }
);

/** A port of the host; the container's own port is the same unless given. */
export interface PublishedPort {
  readonly host: number;
  readonly container?: number;
  readonly protocol?: 'tcp' | 'udp';
  /** The address of the host on which the port is published; default: all. */
  readonly address?: string;
  /**
   * Networks (`192.0.2.0/24`) or `anywhere`, that may reach the port although `firewall.allow` does not name
   * it.
   */
  readonly from?: readonly string[] | 'anywhere';
}

/** How podman finds out whether a container is healthy (podman-run(1), --health-cmd). */
export interface Health {
  readonly command: string;
  readonly interval?: string;
  readonly timeout?: string;
  readonly retries?: number;
  readonly startPeriod?: string;
  /** Reaction to an unhealthy container; default `kill`, so that systemd restarts it. */
  readonly onFailure?: 'none' | 'kill' | 'restart' | 'stop';
  /**
   * The unit counts as started when the container is healthy. Containers that `needs` this one wait for that.
   */
  readonly startsWhenHealthy?: boolean;
}

/** Limits of a container's resources. */
export interface Limits {
  /** Bytes with a unit (systemd.resource-control(5)). */
  readonly memory?: string;
  /** Percent of one CPU. */
  readonly cpu?: `${number}%`;
  readonly processes?: number;
}

/**
 * A device of the host. Name a device that can be unplugged, such as a USB stick with a serial port, by
 * `/dev/serial/by-id/…`.
 */
export type Device = string | { readonly path: string; readonly at?: string; readonly unplugs?: boolean };

/** A container that systemd keeps running (podman-systemd.unit(5)). */
export interface ContainerOptions<
  D extends string = string,
  P extends string = string,
  C extends string = string,
  N extends string = string,
> extends Tuning {
  /** Fully qualified: registry/name:tag or with a digest. */
  readonly image: string;
  /** When the image is fetched; default: when it is missing. */
  readonly pull?: 'always' | 'missing' | 'newer' | 'never';
  readonly volumes?: readonly Volume<D>[];
  /** Folders in memory, by their paths in the container. */
  readonly tmpfs?: readonly string[];
  readonly ports?: readonly (number | PublishedPort)[];
  readonly environment?: { readonly [name: string]: string };
  /** Secret environment variables: written to a file that only root can read. */
  readonly secretEnvironment?: Text;
  /** Secrets as files below /run/secrets, which only the container's user can read. */
  readonly secrets?: { readonly [name: string]: Text };
  readonly command?: readonly string[];
  /** User inside of the container. Without a user namespace it is the host's user with that number. */
  readonly user?: number;
  /** Group inside of the container; default: the group with the number of the user, never root's group. */
  readonly group?: number;
  /** Additional groups, by number or by the host's name: `video` and `render` for a GPU. */
  readonly groups?: readonly (string | number)[];
  /**
   * `auto`: a range of user numbers of its own, so that its root has no rights on the host
   * (user_namespaces(7)).
   */
  readonly userns?: 'auto';
  /** Capabilities to add to podman's defaults, or to remove from them: `CAP_NET_ADMIN` (capabilities(7)). */
  readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
  readonly devices?: readonly Device[];
  readonly limits?: Limits;
  readonly health?: Health;
  /**
   * Default off. `registry`: a newer image of the same tag is fetched daily. If it does not start, the old
   * one runs again.
   */
  readonly autoUpdate?: 'registry';
  /** The pod that it runs in. Ports then belong to the pod. */
  readonly pod?: string;
  /** Containers that this container needs: it starts after them, and stops with them. */
  readonly needs?: readonly C[];
  /** Pools that it needs, if no volume names them. */
  readonly pools?: readonly P[];
  /** `bridge` (the default), `host`, `none`, or networks that the machine declares in `containerNetworks`. */
  readonly network?: 'host' | 'none' | 'bridge' | { readonly names: readonly [N, ...N[]] };
  readonly labels?: { readonly [name: string]: string };
  /** Time zone as in /usr/share/zoneinfo; default: the host's. */
  readonly timeZone?: string;
  readonly readOnlyRoot?: boolean;
}

const FOLDER = '/etc/containers/systemd';

function portWords(port: number | PublishedPort): string {
  const { host, container = host, protocol, address } = typeof port === 'number' ? { host: port } : port;
  for (const number of [host, container]) {
    if (!Number.isInteger(number) || number < 1 || number > 65535)
      throw badInput(`${number} is not a port`, { hint: 'write a number from 1 to 65535' });
  }
  if (address !== undefined && !isAddress(address))
    throw badInput(`${JSON.stringify(address)} is not an address of the machine`, {
      hint: 'write an IPv4 or IPv6 address without brackets, as 192.0.2.1 or ::1; leave it out for all addresses',
    });
  const at = address === undefined ? '' : `${address.includes(':') ? `[${address}]` : address}:`;
  return `${at}${host}:${container}${protocol === 'udp' ? '/udp' : ''}`;
}

/** The ports of a container in the form of podman's option --publish. */
export function publishedPorts(ports: readonly (number | PublishedPort)[] = []): string[] {
  return ports.map(portWords);
}

/** An absolute path as a part of a line of a quadlet: the line must not end with a backslash or a space. */
function absolute(path: string, what: string): string {
  const pattern = /^\/(?:[^:\n]*[^:\s\\])?$/;
  const form = `${what} (an absolute path without a colon, and without a space or a backslash at its end)`;
  return copied(matching(path, pattern, form, 'write it from the root'));
}

/** @param mountpointOf returns the mount point of a dataset on the host */
function volumeWords(volume: Volume, mountpointOf: (dataset: string) => string): string {
  const options = volume.readOnly ? ':ro' : '';
  const at = absolute(volume.at, 'mount point');
  if ('volume' in volume) {
    return `${matching(volume.volume, /^[A-Za-z0-9][A-Za-z0-9_.-]*$/, 'volume name', 'use letters, digits, . - and _')}:${at}${options}`;
  }
  if ('path' in volume) return `${absolute(volume.path, 'host path')}:${at}${options}`;
  const below = volume.below === undefined ? '' : `/${volume.below}`;
  return `${absolute(`${mountpointOf(volume.dataset)}${below}`, 'mount point')}:${at}${options}`;
}

/** A word that quadlet reads as systemd does, and copies into the ExecStart= line of podman. */
const commandWord = (text: string): string =>
  text.split('\n').map(systemdQuote).join('\\n').replaceAll('"\\n"', '\\n').replaceAll('$', '$$$$');

/**
 * An empty word of a command. Quadlet (5.4) drops it and all words after it, so systemd puts it in: a variable in
 * braces is one word, also if it is empty (systemd.service(5), "Command lines").
 */
// biome-ignore lint/suspicious/noTemplateCurlyInString: systemd puts the value in
const EMPTY = { word: '${DRAISINE_EMPTY}', setting: 'DRAISINE_EMPTY=' };

/**
 * A shell command for HealthCmd=. It becomes part of an ExecStart= line, where % begins a specifier and $ a variable.
 * Quadlet removes quotes at both ends of it. The braces prevent that. A backslash at the end would join the next line.
 */
function healthCommand(command: string): string {
  const escaped = copied(command.trim());
  return /^"|["\\]$/.test(escaped) ? `{ ${escaped}; }` : escaped;
}

function healthSettings(health: Health | undefined): { readonly [setting: string]: Setting } {
  if (health === undefined) return {};
  return {
    HealthCmd: healthCommand(health.command),
    HealthInterval: health.interval,
    HealthTimeout: health.timeout,
    HealthRetries: health.retries,
    HealthStartPeriod: health.startPeriod,
    HealthOnFailure: health.onFailure ?? 'kill',
    Notify: health.startsWhenHealthy ? 'healthy' : undefined,
  };
}

const unplugged = (devices: readonly Device[] = []): string[] =>
  devices.flatMap((device) =>
    typeof device === 'object' && device.unplugs ? [`${unitPath(device.path)}.device`] : [],
  );

const deviceWords = (device: Device): string => {
  const { path, at } = typeof device === 'string' ? { path: device } : { at: undefined, ...device };
  const text = at === undefined ? path : `${path}:${at}`;
  return copied(matching(text, /^[^\s"']*[^\s"'\\]$/, 'device', 'write its path, as /dev/ttyUSB0'));
};

/** Units a container waits for: the datasets it mounts, the pools and the other containers it names. */
function needed({ volumes = [], pools = [], needs = [] }: ContainerOptions): string[] {
  const datasets = volumes.flatMap((volume) => ('dataset' in volume ? [datasetService(volume.dataset)] : []));
  const containers = needs.map((name) => `${quadletName(name)}.service`);
  return [...new Set([...datasets, ...pools.map(poolService), ...containers])];
}

/** Where the datasets of volumes are. */
export interface Placement {
  /** Where a dataset is mounted; default: as ZFS has it below /mnt. */
  readonly mountpointOf?: (dataset: string) => string;
  /** Units that mount podman's storage; none if the storage is on the state partition. */
  readonly storage?: readonly string[];
}

/** The mount point of a dataset without one in its options. */
export const defaultMountpoint = (dataset: string): string => `/mnt/${dataset}`;

function networks(network: ContainerOptions['network']): Setting {
  return typeof network === 'object' ? network.names.map((name) => `${quadletName(name)}.network`) : network;
}

function secretVolumes(name: string, { secrets = {} }: ContainerOptions): string[] {
  return Object.keys(secrets).map((secret) => `${secretPath(name, secret)}:/run/secrets/${secret}:ro`);
}

const word = (text: string, what: string): string =>
  matching(text, /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, what, 'use letters, digits, . - and _');

/** Lines for the container's user, and for its rights. */
function identity(options: ContainerOptions): { readonly [setting: string]: Setting } {
  const { user, group = user, groups, userns, capabilities = {} } = options;
  return {
    User: user,
    Group: group,
    GroupAdd: groups?.map((group) => word(String(group), 'group')),
    UserNS: userns,
    AddCapability: capabilities.add?.map((each) => word(each, 'capability')),
    DropCapability: capabilities.drop?.map((each) => word(each, 'capability')),
  };
}

/** Refuses limits that systemd or podman ignores, and limits that stop the start (systemd.resource-control(5)). */
function checkLimits(name: string, { memory, cpu, processes }: Limits): void {
  const refuse = (what: string, value: unknown, hint: string): never => {
    throw badInput(`not a limit of ${what}: ${JSON.stringify(value)}`, {
      where: `containers.${name}.limits`,
      hint,
    });
  };
  const isMore = (text: string): boolean => /[1-9]/.test(text);
  if (memory !== undefined && !(/^([0-9]+(\.[0-9]+)?[KMGT]?|[0-9]+%)$/.test(memory) && isMore(memory)))
    refuse('memory', memory, 'write 512M or 2G');
  if (cpu !== undefined && !(/^[0-9]+(\.[0-9]+)?%$/.test(cpu) && isMore(cpu)))
    refuse('the CPU', cpu, 'write 50% of one CPU, or 200% for two');
  if (processes !== undefined && !(Number.isInteger(processes) && processes > 0))
    refuse('processes', processes, 'write a whole number from 1 on');
}

/** Refuses ports that podman would ignore. */
function checkPublishing(
  where: string,
  { network, ports = [] }: Pick<ContainerOptions, 'network' | 'ports'> | PodOptions,
): void {
  if (ports.length === 0 || (network !== 'host' && network !== 'none')) return;
  throw badInput(`${where} publishes ports, and its network is ${network}: podman ignores them`, {
    where: `${where}.ports`,
    hint:
      network === 'host'
        ? 'leave ports out; a firewall opens them in firewall.allow'
        : 'leave ports out, or take another network',
  });
}

/** Refuses two mounts at one place of the container: podman would not start it. */
function checkMounts(name: string, { volumes = [], tmpfs = [], secrets = {} }: ContainerOptions): void {
  const places = [
    ...[...volumes.map(({ at }) => at), ...tmpfs].map((path) => posix.resolve('/', path)),
    ...Object.keys(secrets).map((secret) => `/run/secrets/${secret}`),
  ];
  const twice = places.find((place, index) => places.indexOf(place) !== index);
  if (twice !== undefined)
    throw badInput(`container ${name} has two mounts at ${twice}`, {
      where: `containers.${name}.volumes`,
      hint: 'keep one of them',
    });
}

function containerSection(
  name: string,
  options: ContainerOptions,
  mountpointOf: (dataset: string) => string,
): Section {
  const { limits = {}, environment = {}, labels = {} } = options;
  const pairs = (named: { readonly [key: string]: string }): string[] =>
    Object.entries(named).map(([key, value]) => commandWord(`${key}=${value}`));
  return section('Container', {
    ContainerName: name,
    Image: matching(
      options.image,
      /^[a-z0-9.-]+(:[0-9]+)?\/[a-z0-9._/-]+(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@[a-z0-9]+:[0-9a-f]+)?$/,
      'fully qualified image',
      'write REGISTRY/NAME:TAG; the name has small letters',
    ),
    Pull: options.pull,
    Exec: options.command?.map((each) => (each === '' ? EMPTY.word : commandWord(each))).join(' '),
    Pod: options.pod === undefined ? undefined : `${options.pod}.pod`,
    Network: networks(options.network),
    ...identity(options),
    Volume: [
      ...(options.volumes ?? []).map((volume) => volumeWords(volume, mountpointOf)),
      ...secretVolumes(name, options),
    ],
    Tmpfs: options.tmpfs?.map((path) => absolute(path, 'folder in memory')),
    PublishPort: publishedPorts(options.ports),
    Environment: pairs(environment),
    EnvironmentFile: options.secretEnvironment === undefined ? undefined : environmentPath(name),
    Label: pairs(labels),
    AddDevice: options.devices?.map(deviceWords),
    Timezone: matching(
      options.timeZone ?? 'local',
      /^[A-Za-z][A-Za-z0-9_+/-]*$/,
      'time zone',
      'write it as Europe/Berlin',
    ),
    ReadOnly: options.readOnlyRoot,
    PidsLimit: limits.processes,
    ...tuningSettings(name, options),
    AutoUpdate: options.autoUpdate,
    ...healthSettings(options.health),
  });
}

/** The quadlet of a container (podman-systemd.unit(5), podman 5.4). */
export function quadlet(
  name: string,
  options: ContainerOptions,
  { mountpointOf = defaultMountpoint, storage = [] }: Placement = {},
): string {
  checkMounts(name, options);
  checkLimits(name, options.limits ?? {});
  const units = [...new Set([...storage, ...needed(options)])];
  const plugs = unplugged(options.devices);
  const { limits = {} } = options;
  if (options.pod !== undefined && options.ports?.length) {
    throw badInput(`container ${name} publishes ports in a pod`, { hint: 'publish them on the pod' });
  }
  checkPublishing(`containers.${name}`, options);
  return unitText([
    section('Unit', {
      Description: `Container ${name}`,
      Requires: units.length > 0 ? units.join(' ') : undefined,
      // The container stops when the device goes, and starts when it comes back.
      BindsTo: plugs.length > 0 ? plugs.join(' ') : undefined,
      After: [...units, ...plugs, 'network-online.target'].join(' '),
      Wants: 'network-online.target',
    }),
    containerSection(name, options, mountpointOf),
    section('Service', {
      Restart: 'always',
      // systemd restarts a failing container after 5 seconds at first, and less often with each failure, up to 5
      // minutes.
      RestartSec: '5s',
      RestartSteps: 8,
      RestartMaxDelaySec: '5min',
      TimeoutStartSec: '15min',
      Environment: options.command?.includes('') ? EMPTY.setting : undefined,
      MemoryMax: limits.memory,
      CPUQuota: limits.cpu,
    }),
    // The device starts the container when it appears. If the boot started the container, a boot without the device
    // would wait for it.
    section('Install', plugs.length > 0 ? {} : { WantedBy: 'multi-user.target' }),
  ]);
}

/**
 * Starts a container when one of its devices appears. The device unit cannot start it directly: systemd drops that job
 * while the container is still stopping because of the same device (systemd issue 11526). `systemctl start` runs after
 * the stop.
 */
function starterByDevice(name: string, devices: readonly Device[] = []): Fragment[] {
  const plugs = unplugged(devices);
  if (plugs.length === 0) return [];
  const paths = devices.flatMap((device) =>
    typeof device === 'object' && device.unplugs ? [device.path] : [],
  );
  const contents = {
    // The last of several devices starts the container.
    Unit: {
      Description: `Start container ${name} as its device is here`,
      ConditionPathExists: paths.map((path) => path.replaceAll('%', '%%')),
    },
    Service: { Type: 'oneshot', ExecStart: `/usr/bin/systemctl start --no-block ${name}.service` },
    Install: { WantedBy: plugs.join(' ') },
  };
  return [unit(`draisine-plugged-${name}.service`, { enabled: true, contents })];
}

function environmentPath(name: string): string {
  return `/etc/draisine/environment/${name}`;
}

function secretPath(container: string, name: string): string {
  return `/etc/draisine/secrets/${container}/${quadletName(name)}`;
}

function quadletName(name: string): string {
  return matching(
    name,
    /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/,
    'container name',
    'use letters, digits, . - and _',
  );
}

/** A container as a quadlet. systemd runs it, and starts it after the datasets that it needs. */
export function container(name: string, options: ContainerOptions, placement: Placement = {}): Fragment {
  const { secretEnvironment, secrets = {}, user = 0 } = options;
  const path = `${FOLDER}/${quadletName(name)}.container`;
  return mergeFragments(
    ...Object.entries(secrets).map(([secret, contents]) =>
      file(secretPath(name, secret), { contents, mode: 0o400, user }),
    ),
    ...(options.autoUpdate === undefined ? [] : [unit('podman-auto-update.timer', { enabled: true })]),
    file(path, { contents: quadlet(name, options, placement) }),
    ...starterByDevice(name, options.devices),
    ...(secretEnvironment === undefined
      ? []
      : [file(environmentPath(name), { contents: secretEnvironment, mode: 0o600 })]),
  );
}

/** Containers that share a network and start together. */
export interface PodOptions {
  readonly ports?: readonly (number | PublishedPort)[];
  readonly network?: 'host' | 'bridge';
}

/** A network of containers. */
export interface ContainerNetworkOptions {
  /** True: the network has no route to the outside. Containers reach only each other. */
  readonly internal?: boolean;
  readonly ipv6?: boolean;
  readonly subnet?: string;
}

/** Lines of a unit that starts after other units, and not without them. It only waits for `targets`. */
const after = (
  units: readonly string[],
  ...targets: readonly string[]
): { readonly [setting: string]: Setting } => ({
  Requires: units.length > 0 ? units.join(' ') : undefined,
  After: units.length + targets.length > 0 ? [...units, ...targets].join(' ') : undefined,
});

/** A network of containers as a quadlet. Its containers find each other by name. */
export function containerNetwork(
  name: string,
  { internal, ipv6, subnet }: ContainerNetworkOptions = {},
  storage: readonly string[] = [],
): Fragment {
  if (subnet !== undefined && !isNetwork(subnet))
    throw badInput(`not a subnet: ${JSON.stringify(subnet)}`, { hint: 'write 10.90.0.0/24' });
  const contents = unitText([
    section('Unit', { Description: `Network ${name} of containers`, ...after(storage) }),
    section('Network', { NetworkName: name, Internal: internal, IPv6: ipv6, Subnet: subnet }),
  ]);
  return file(`${FOLDER}/${quadletName(name)}.network`, { contents });
}

/** A pod as a quadlet: containers that share a network. */
export function pod(
  name: string,
  { ports, network }: PodOptions = {},
  storage: readonly string[] = [],
): Fragment {
  checkPublishing(`pods.${name}`, { ...(ports && { ports }), ...(network && { network }) });
  const contents = unitText([
    section('Unit', {
      Description: `Pod ${name}`,
      Wants: 'network-online.target',
      ...after(storage, 'network-online.target'),
    }),
    section('Pod', { PodName: name, PublishPort: publishedPorts(ports), Network: network }),
    section('Install', { WantedBy: 'multi-user.target' }),
  ]);
  return file(`${FOLDER}/${quadletName(name)}.pod`, { contents });
}

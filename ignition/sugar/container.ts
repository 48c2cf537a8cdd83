import { badInput } from '../../sdk/lib/errors.ts';
import type { Text } from '../secret.ts';
import { datasetService } from './dataset.ts';
import { file } from './file.ts';
import { type Fragment, matching, mergeFragments } from './fragment.ts';
import { type Setting, section, systemdQuote, unitText } from './ini.ts';
import { poolService } from './zpool.ts';

/** What is mounted into a container. `D` are the datasets a machine declares. */
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
  /** Only on this address of the host. */
  readonly address?: string;
  /** Who may reach it although `firewall.allow` does not let it in: networks (`192.0.2.0/24`), or all. */
  readonly from?: readonly string[] | 'anywhere';
}

export interface Health {
  readonly command: string;
  readonly interval?: string;
  readonly timeout?: string;
  readonly retries?: number;
  readonly startPeriod?: string;
  /** What happens when it fails; default kill, so that systemd restarts it. */
  readonly onFailure?: 'none' | 'kill' | 'restart' | 'stop';
}

export interface Limits {
  /** Bytes with a unit (systemd.resource-control(5)). */
  readonly memory?: string;
  /** Percent of one CPU. */
  readonly cpu?: `${number}%`;
  readonly processes?: number;
}

export interface ContainerOptions<D extends string = string, P extends string = string> {
  /** Fully qualified: registry/name:tag or with a digest. */
  readonly image: string;
  readonly volumes?: readonly Volume<D>[];
  readonly ports?: readonly (number | PublishedPort)[];
  readonly environment?: { readonly [name: string]: string };
  /** Environment that is secret: written to a file only root can read. */
  readonly secretEnvironment?: Text;
  readonly command?: readonly string[];
  /** User inside the container. Without a user namespace it is the host's of that number. */
  readonly user?: number;
  /** Group inside the container; default the number of the user, never root's group. */
  readonly group?: number;
  readonly devices?: readonly string[];
  readonly limits?: Limits;
  readonly health?: Health;
  /** Off unless asked for: an update comes when you say so. */
  readonly autoUpdate?: 'registry';
  /** The pod it runs in; ports are then the pod's. */
  readonly pod?: string;
  /** Pools that must be there though no volume names them. */
  readonly pools?: readonly P[];
  readonly network?: 'host' | 'none' | 'bridge';
  readonly readOnlyRoot?: boolean;
}

const FOLDER = '/etc/containers/systemd';

function portWords(port: number | PublishedPort): string {
  const { host, container = host, protocol, address } = typeof port === 'number' ? { host: port } : port;
  for (const number of [host, container]) {
    if (!Number.isInteger(number) || number < 1 || number > 65535) throw badInput(`${number} is no port`);
  }
  const at = address === undefined ? '' : `${address.includes(':') ? `[${address}]` : address}:`;
  return `${at}${host}:${container}${protocol === 'udp' ? '/udp' : ''}`;
}

export function publishedPorts(ports: readonly (number | PublishedPort)[] = []): string[] {
  return ports.map(portWords);
}

function absolute(path: string, what: string): string {
  return matching(
    path,
    /^\/[^:\n]*$/,
    `${what} (an absolute path without a colon)`,
    'write it from the root',
  );
}

/** @param mountpointOf where a dataset is mounted on the host */
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

/**
 * A shell command for HealthCmd=: it ends up in an ExecStart= line, where % begins a specifier, and quadlet strips
 * quotes from both ends of it, which braces prevent.
 */
function healthCommand(command: string): string {
  const escaped = command.trim().replaceAll('%', '%%');
  return /^"|"$/.test(escaped) ? `{ ${escaped}; }` : escaped;
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
  };
}

/** Units a container waits for: the datasets it mounts and the pools it names. */
function needed({ volumes = [], pools = [] }: ContainerOptions): string[] {
  const datasets = volumes.flatMap((volume) => ('dataset' in volume ? [datasetService(volume.dataset)] : []));
  return [...new Set([...datasets, ...pools.map(poolService)])];
}

export interface Placement {
  /** Where a dataset is mounted; default: as ZFS has it below /mnt. */
  readonly mountpointOf?: (dataset: string) => string;
}

export const defaultMountpoint = (dataset: string): string => `/mnt/${dataset}`;

/** The quadlet of a container (podman-systemd.unit(5), podman 5.4). */
export function quadlet(
  name: string,
  options: ContainerOptions,
  { mountpointOf = defaultMountpoint }: Placement = {},
): string {
  const units = needed(options);
  const { limits = {}, environment = {} } = options;
  if (options.pod !== undefined && options.ports?.length) {
    throw badInput(`container ${name} publishes ports in a pod`, { hint: 'publish them on the pod' });
  }
  return unitText([
    section('Unit', {
      Description: `Container ${name}`,
      Requires: units.length > 0 ? units.join(' ') : undefined,
      After: [...units, 'network-online.target'].join(' '),
      Wants: 'network-online.target',
    }),
    section('Container', {
      ContainerName: name,
      Image: matching(
        options.image,
        /^[a-z0-9.-]+(:[0-9]+)?\/[^\s]+$/,
        'fully qualified image',
        'write REGISTRY/NAME:TAG',
      ),
      Exec: options.command?.map(systemdQuote).join(' '),
      Pod: options.pod === undefined ? undefined : `${options.pod}.pod`,
      Network: options.network,
      User: options.user,
      Group: options.group ?? options.user,
      Volume: (options.volumes ?? []).map((volume) => volumeWords(volume, mountpointOf)),
      PublishPort: publishedPorts(options.ports),
      Environment: Object.entries(environment).map(([key, value]) => systemdQuote(`${key}=${value}`)),
      EnvironmentFile: options.secretEnvironment === undefined ? undefined : environmentPath(name),
      AddDevice: options.devices,
      ReadOnly: options.readOnlyRoot,
      PidsLimit: limits.processes,
      AutoUpdate: options.autoUpdate,
      ...healthSettings(options.health),
    }),
    section('Service', {
      Restart: 'always',
      RestartSec: '5s',
      TimeoutStartSec: '15min',
      MemoryMax: limits.memory,
      CPUQuota: limits.cpu,
    }),
    section('Install', { WantedBy: 'multi-user.target' }),
  ]);
}

function environmentPath(name: string): string {
  return `/etc/draisine/environment/${name}`;
}

function quadletName(name: string): string {
  return matching(
    name,
    /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/,
    'container name',
    'use letters, digits, . - and _',
  );
}

/** A container as a quadlet: systemd runs it, after the datasets it needs. */
export function container(name: string, options: ContainerOptions, placement: Placement = {}): Fragment {
  const { secretEnvironment } = options;
  const path = `${FOLDER}/${quadletName(name)}.container`;
  return mergeFragments(
    file(path, { contents: quadlet(name, options, placement) }),
    ...(secretEnvironment === undefined
      ? []
      : [file(environmentPath(name), { contents: secretEnvironment, mode: 0o600 })]),
  );
}

export interface PodOptions {
  readonly ports?: readonly (number | PublishedPort)[];
  readonly network?: 'host' | 'bridge';
}

/** A pod as a quadlet: containers that share a network. */
export function pod(name: string, { ports, network }: PodOptions = {}): Fragment {
  const contents = unitText([
    section('Unit', {
      Description: `Pod ${name}`,
      Wants: 'network-online.target',
      After: 'network-online.target',
    }),
    section('Pod', { PodName: name, PublishPort: publishedPorts(ports), Network: network }),
    section('Install', { WantedBy: 'multi-user.target' }),
  ]);
  return file(`${FOLDER}/${quadletName(name)}.pod`, { contents });
}

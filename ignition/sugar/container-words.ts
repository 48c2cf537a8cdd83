import { badInput } from '../../sdk/lib/errors.ts';
import { isSecret } from '../base/secret.ts';
import { isAddress } from './addresses.ts';
import type { ContainerOptions, Device, Health, PublishedPort, Volume } from './container-options.ts';
import { matching } from './fragment.ts';
import { copied, type Setting, systemdQuote } from './ini.ts';

/** Folder of quadlets (podman-systemd.unit(5)). */
export const FOLDER = '/etc/containers/systemd';

/** Names that podman has for kinds of networks (podman-run(1), --network), and does not give to a network. */
const NETWORK_KINDS = 'bridge container default host none ns pasta private slirp4netns'.split(' ');

/** The name of a network, checked. */
export function networkName(name: string): string {
  if (!NETWORK_KINDS.includes(name)) return quadletName(name);
  throw badInput(`podman has no network called ${name}: the name is a kind of network`, {
    where: `containerNetworks.${name}`,
    hint: 'give it another name',
  });
}

/** A name of a container or a pod, checked. */
export function quadletName(name: string): string {
  return matching(
    name,
    /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/,
    'container name',
    'use letters, digits, . - and _',
  );
}

/** The file of a container's secret environment. */
export function environmentPath(name: string): string {
  return `/etc/draisine/environment/${name}`;
}

/** The file of a secret of a container. */
export function secretPath(container: string, name: string): string {
  return `/etc/draisine/secrets/${container}/${quadletName(name)}`;
}

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
export function absolute(path: string, what: string): string {
  const pattern = /^\/(?:[^:\n]*[^:\s\\])?$/;
  const form = `${what} (an absolute path without a colon, and without a space or a backslash at its end)`;
  return copied(matching(path, pattern, form, 'write it from the root'));
}

/** @param mountpointOf returns the mount point of a dataset on the host */
export function volumeWords(volume: Volume, mountpointOf: (dataset: string) => string): string {
  const options = volume.readOnly ? ':ro' : '';
  const at = absolute(volume.at, 'mount point');
  if ('volume' in volume) {
    return `${matching(volume.volume, /^[A-Za-z0-9][A-Za-z0-9_.-]*$/, 'volume name', 'use letters, digits, . - and _')}:${at}${options}`;
  }
  if ('path' in volume) return `${absolute(volume.path, 'host path')}:${at}${options}`;
  const below = volume.below === undefined ? '' : `/${volume.below}`;
  return `${absolute(`${mountpointOf(volume.dataset)}${below}`, 'mount point')}:${at}${options}`;
}

/** The mounts of a container's secrets, for Volume=. */
export function secretVolumes(name: string, { secrets = {} }: ContainerOptions): string[] {
  return Object.keys(secrets).map((secret) => `${secretPath(name, secret)}:/run/secrets/${secret}:ro`);
}

/** A device in the form of AddDevice=. */
export const deviceWords = (device: Device): string => {
  const { path, at } = typeof device === 'string' ? { path: device } : { at: undefined, ...device };
  const text = at === undefined ? path : `${path}:${at}`;
  return copied(matching(text, /^[^\s"']*[^\s"'\\]$/, 'device', 'write its path, as /dev/ttyUSB0'));
};

/** Networks in the form of Network=. */
export function networks(network: ContainerOptions['network']): Setting {
  return typeof network === 'object' ? network.names.map((name) => `${quadletName(name)}.network`) : network;
}

/**
 * The name of an image with its registry. As in podman, the first part is a registry only if it has a dot or a port, or
 * is `localhost`; otherwise the name is a short one, and no registry is searched for it.
 */
export const imageName = (image: string): string =>
  matching(
    image,
    /^(localhost|[a-z0-9-]+(\.[a-z0-9-]+)+|[a-z0-9.-]+:[0-9]+)(\/[a-z0-9._-]+)+(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$/,
    'fully qualified image',
    'write REGISTRY/NAME:TAG, e.g. docker.io/library/NAME:TAG; the name has small letters',
  );

/** A word that quadlet reads as systemd does, and copies into the ExecStart= line of podman. */
const commandWord = (text: string): string =>
  text.split('\n').map(systemdQuote).join('\\n').replaceAll('"\\n"', '\\n').replaceAll('$', '$$$$');

/**
 * An empty word of a command. Quadlet (5.4) drops it and all words after it, so systemd puts it in: a variable in
 * braces is one word, also if it is empty (systemd.service(5), "Command lines").
 */
// biome-ignore lint/suspicious/noTemplateCurlyInString: systemd puts the value in
export const EMPTY = { word: '${DRAISINE_EMPTY}', setting: 'DRAISINE_EMPTY=' };

/** A word of the container's command. systemd would begin another command at a semicolon. */
export function argument(text: string): string {
  if (text !== ';') return text === '' ? EMPTY.word : commandWord(text);
  throw badInput('a word of a command cannot be a lone semicolon', {
    hint: "let a shell read it: ['/bin/sh', '-c', 'find . -exec ls {} \\\\;']",
  });
}

/** Variables or labels as NAME=VALUE. podman refuses a name that is empty. A missing value would become `undefined`. */
export const pairs = (what: 'variable' | 'label', named: { readonly [key: string]: string }): string[] =>
  Object.entries(named).map(([key, value]) => {
    const name = matching(key, /^[^=\s]+$/, `name of a ${what}`, 'write a name without = and spaces');
    if (['string', 'number', 'boolean'].includes(typeof value)) return commandWord(`${name}=${value}`);
    throw badInput(`the ${what} ${name} has no text: ${String(value)}`, {
      hint: isSecret(value)
        ? 'write a secret into secretEnvironment'
        : "write a text, or leave it out; '' is empty",
    });
  });

/**
 * A shell command for HealthCmd=. It becomes part of an ExecStart= line, where % begins a specifier and $ a variable.
 * Quadlet removes quotes at both ends of it. The braces prevent that. A backslash at the end would join the next line.
 */
function healthCommand(command: string): string {
  const escaped = copied(command.trim());
  return /^"|["\\]$/.test(escaped) ? `{ ${escaped}; }` : escaped;
}

/** The lines of a health check. */
export function healthSettings(health: Health | undefined): { readonly [setting: string]: Setting } {
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

const word = (text: string, what: string): string =>
  matching(text, /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, what, 'use letters, digits, . - and _');

/** Lines for the container's user, and for its rights. */
export function identity(options: ContainerOptions): { readonly [setting: string]: Setting } {
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

import { badInput } from '../../sdk/lib/errors.ts';
import { unmadePaths } from '../check/unmade.ts';
import type { JsonObject } from '../json/value.ts';
import { addressesMeet, isNetwork, networksMeet } from './addresses.ts';
import type {
  ContainerNetworkOptions,
  ContainerOptions,
  PodOptions,
  PublishedPort,
} from './container-options.ts';
import { publishedPorts } from './container-words.ts';
import type { DatasetOptions } from './dataset.ts';
import { allows, type FirewallOptions, type Opening } from './firewall.ts';
import type { Fragment } from './fragment.ts';
import { type ReplicateOptions, replicationName } from './replicate.ts';
import type { UserOptions } from './user.ts';
import { keyPath, type PoolOptions } from './zpool.ts';

/** Contradictions between the parts of one machine. */

type Named<Value> = { readonly [name: string]: Value };

/** The path of the key of each dataset. */
export function keyPaths(
  pools: Named<PoolOptions>,
  datasets: Named<DatasetOptions>,
): (dataset: string) => string {
  const hasKey = (name: string): boolean => !!(pools[name] ?? datasets[name])?.encryption;
  return (dataset) => {
    const parts = dataset.split('/');
    const above = parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
    return keyPath(dataset, above.some(hasKey));
  };
}

const READ = 0o4;
const WRITE = 0o2;
const SEARCH = 0o1;

/** The permission bits of a dataset's root directory for an account; undefined if they cannot be known. */
function bitsFor(
  { owner }: DatasetOptions,
  { user: uid = 0, group: gid = uid, userns }: ContainerOptions,
): number | undefined {
  const mode = owner?.mode ?? 0o755;
  if (userns !== undefined) return mode; // its user is nobody else on the machine
  const user = owner?.user ?? 0;
  const group = owner?.group ?? (typeof user === 'number' ? user : undefined);
  if (typeof user !== 'number') return undefined;
  if (user === uid) return mode >> 6;
  if (typeof group !== 'number') return undefined;
  return group === gid ? mode >> 3 : mode;
}

/**
 * A container with a user of its own must be able to read its datasets, and to write them unless they are
 * read-only.
 */
export function checkAccess(containers: Named<ContainerOptions>, datasets: Named<DatasetOptions>): void {
  for (const [name, container] of Object.entries(containers)) {
    const { user = 0, userns, volumes = [] } = container;
    if (user === 0 && userns === undefined) continue;
    for (const volume of volumes) {
      const options = 'dataset' in volume ? datasets[volume.dataset] : undefined;
      if (!('dataset' in volume) || options === undefined) continue;
      const bits = bitsFor(options, container);
      const wanted = READ | SEARCH | (volume.readOnly ? 0 : WRITE);
      if (bits === undefined || (bits & wanted) === wanted) continue;
      const verb = (bits & (READ | SEARCH)) === (READ | SEARCH) ? 'write' : 'read';
      const as = userns === undefined ? `as user ${user}` : 'with user numbers of its own';
      const mend =
        userns === undefined
          ? `set datasets['${volume.dataset}'].owner to { user: ${user} }`
          : 'leave out userns';
      throw badInput(`container ${name} runs ${as} and cannot ${verb} dataset ${volume.dataset}`, {
        where: `containers.${name}.volumes`,
        hint: `${mend}${verb === 'write' ? ', or mount it readOnly' : ''}`,
      });
    }
  }
}

type Ports = readonly (number | PublishedPort)[];

function portsByOwner(
  containers: Named<ContainerOptions>,
  pods: Named<PodOptions> | object,
): (readonly [owner: string, ports: Ports])[] {
  return [
    ...Object.entries(containers).map(([name, one]) => [`containers.${name}`, one.ports ?? []] as const),
    ...Object.entries(pods as Named<PodOptions>).map(
      ([name, one]) => [`pods.${name}`, one.ports ?? []] as const,
    ),
  ];
}

const LOOPBACK = /^(127\.|::1$)/;

/**
 * Ports that containers publish and that the firewall opens besides `allow`. A published port that nobody
 * could reach is an error.
 */
export function openings(
  { allow }: FirewallOptions,
  containers: Named<ContainerOptions>,
  pods: Named<PodOptions> | object,
): Opening[] {
  return portsByOwner(containers, pods).flatMap(([owner, ports]) =>
    ports.flatMap((given, index): Opening[] => {
      const { host, protocol = 'tcp', from, address } = typeof given === 'number' ? { host: given } : given;
      if (from !== undefined)
        return [{ name: owner.slice(owner.indexOf('.') + 1), port: host, protocol, from }];
      if ((address !== undefined && LOOPBACK.test(address)) || allows(allow, protocol, host)) return [];
      throw badInput(
        `nobody can reach port ${host}/${protocol}, which ${owner} publishes: the firewall closes it`,
        {
          where: `${owner}.ports[${index}]`,
          hint: `add from: ['192.168.1.0/24'] or from: 'anywhere' to the port, or { name: '${owner.slice(owner.indexOf('.') + 1)}', ${protocol}: [${host}] } to firewall.allow`,
        },
      );
    }),
  );
}

/** Ports of the host that two services use. */
export function checkPorts(containers: Named<ContainerOptions>, pods: Named<PodOptions> | object): void {
  const owners = new Map<string, { readonly owner: string; readonly address: string }[]>();
  for (const [owner, ports] of portsByOwner(containers, pods)) {
    for (const [index, port] of ports.entries()) {
      const host = typeof port === 'number' ? port : port.host;
      const protocol = (typeof port === 'number' ? undefined : port.protocol) ?? 'tcp';
      const key = `${protocol} ${host}`;
      publishedPorts([port]);
      const address = (typeof port === 'number' ? undefined : port.address) ?? '';
      const claims = owners.get(key) ?? [];
      const other = claims.find((one) => addressesMeet(one.address, address));
      if (other !== undefined) {
        throw badInput(`port ${key} is claimed twice`, {
          where: `${other.owner} and ${owner}.ports[${index}]`,
          hint: 'take another host port',
        });
      }
      owners.set(key, [...claims, { owner, address }]);
    }
  }
}

/** podman makes no network whose addresses another one has. */
function checkSubnets(networks: Named<ContainerNetworkOptions>): void {
  const subnets = Object.entries(networks).flatMap(([name, { subnet }]) =>
    subnet === undefined || !isNetwork(subnet) ? [] : [{ name, subnet }],
  );
  for (const [index, { name, subnet }] of subnets.entries()) {
    const other = subnets.slice(0, index).find((one) => networksMeet(one.subnet, subnet));
    if (other !== undefined)
      throw badInput(`the networks ${other.name} and ${name} of containers have addresses in common`, {
        where: `containerNetworks.${name}.subnet`,
        hint: `take a subnet outside of ${other.subnet}`,
      });
  }
}

/**
 * Names of other containers and of networks must be declared. Containers must not wait for each other in a
 * circle.
 */
export function checkContainers(
  containers: Named<ContainerOptions>,
  networks: Named<ContainerNetworkOptions>,
): void {
  checkSubnets(networks);
  const done = new Set<string>();
  const visit = (name: string, path: readonly string[]): void => {
    if (path.includes(name)) {
      throw badInput(`containers wait for each other: ${[...path, name].join(' → ')}`, {
        where: `containers.${path[0]}.needs`,
        hint: 'take one of them out',
      });
    }
    if (done.has(name)) return;
    for (const other of containers[name]?.needs ?? []) {
      if (!Object.hasOwn(containers, other))
        throw badInput(`container ${other} is not declared`, {
          where: `containers.${name}.needs`,
          hint: 'declare it in containers',
        });
      visit(other, [...path, name]);
    }
    done.add(name);
  };
  for (const [name, { network }] of Object.entries(containers)) {
    visit(name, []);
    for (const one of typeof network === 'object' ? network.names : []) {
      if (Object.hasOwn(networks, one)) continue;
      throw badInput(`network ${one} is not declared`, {
        where: `containers.${name}.network`,
        hint: 'declare it in containerNetworks',
      });
    }
  }
}

/**
 * Services of the image on which sections of a config, the login or podman depend. A quadlet of that name would replace
 * them. `validate --strict` knows all units of an image.
 */
const OF_IMAGE =
  /^(systemd-.*|draisine-.*|ssh|sshd|nftables|smartd|smartmontools|dbus|podman|podman-auto-update|zfs-mount)\.service$/;

/**
 * Every quadlet must make a service of its own, and containers and pods have one list of names (podman issue 7377).
 * `written`: the unit files of the config.
 */
export function checkServices(
  sections: { readonly [Section in 'containers' | 'pods' | 'containerNetworks']?: object | undefined },
  written: readonly string[],
): void {
  const owners = new Map<string, string>();
  const suffixes = { containers: '', pods: '-pod', containerNetworks: '-network' } as const;
  for (const [section, suffix] of Object.entries(suffixes) as [keyof typeof suffixes, string][]) {
    for (const name of Object.keys(sections[section] ?? {})) {
      const where = `${section}.${name}`;
      const service = `${name}${suffix}.service`;
      const refuse = (why: string): never => {
        throw badInput(`${where} makes ${service}, ${why}`, { where, hint: 'give it another name' });
      };
      if (section === 'pods' && Object.hasOwn(sections.containers ?? {}, name))
        throw badInput(`a container and a pod are called ${name}: podman does not start the second one`, {
          where,
          hint: 'give one of them another name',
        });
      if (OF_IMAGE.test(service)) refuse('which is a service of the image');
      if (written.includes(service)) refuse('which is also a unit file of the config');
      const other = owners.get(service);
      if (other !== undefined) refuse(`and ${other} makes it as well`);
      owners.set(service, where);
    }
  }
}

/**
 * Refuses a folder of the machine that a container mounts and that nothing makes: podman would not start the container.
 * A pool that the container names may have datasets that the config does not declare.
 * @param mounted mount points of the declared pools and datasets
 */
export function checkFolders(
  containers: Named<ContainerOptions>,
  config: object,
  mounted: readonly string[],
): void {
  for (const [name, { volumes = [], pools = [] }] of Object.entries(containers)) {
    const paths = volumes.flatMap((volume) => ('path' in volume ? [volume.path] : []));
    const [path] = pools.length > 0 ? [] : unmadePaths(config as JsonObject, paths, mounted);
    if (path === undefined) continue;
    throw badInput(`nothing makes ${path}, which container ${name} mounts: podman would not start it`, {
      where: `containers.${name}.volumes`,
      hint: `list it in directories: { '${path}': {} }, with the owner and the mode that it shall have; or take a dataset, or a volume of podman`,
    });
  }
}

/**
 * Refuses files, folders and links below the mount point of a pool or dataset, and homes with keys there. Ignition writes
 * them to the state partition before the dataset is mounted, so the dataset would hide them.
 * @param mounted mount points of the declared pools and datasets
 */
export function checkHidden(config: Fragment, users: Named<UserOptions>, mounted: readonly string[]): void {
  const above = (path: string): string | undefined => mounted.find((at) => path.startsWith(`${at}/`));
  const { storage = {} } = config as { storage?: { [list: string]: readonly { path: string }[] } };
  for (const list of ['files', 'directories', 'links'])
    for (const { path } of storage[list] ?? [])
      if (above(`${path}`) !== undefined)
        throw badInput(`${path} would be hidden: a pool or dataset is mounted at ${above(`${path}`)} later`, {
          where: `${list}.${path}`,
          hint:
            list === 'directories'
              ? 'make a dataset of it, or name it as `below` in a volume of a container'
              : 'put it on the state partition, e.g. below /var/lib',
        });
  for (const [name, { home, sshKeys = [] }] of Object.entries(users)) {
    const at = above(`${home ?? (name === 'root' ? '/root' : `/home/${name}`)}/.ssh`);
    if (sshKeys.length > 0 && at !== undefined)
      throw badInput(`the keys of ${name} would be hidden: a pool or dataset is mounted at ${at} later`, {
        where: `users.${name}.home`,
        hint: 'take a home on the state partition, e.g. below /var/home, and give the user a folder in the dataset',
      });
  }
}

/** Datasets of replications must be declared, and replications must have different names. */
export function checkReplication(
  replicate: readonly ReplicateOptions[],
  users: Named<UserOptions>,
  declared: readonly string[],
): void {
  const mustBe = (dataset: string, where: string): void => {
    if (declared.includes(dataset)) return;
    throw badInput(`dataset ${dataset} is not declared`, { where, hint: 'declare it in datasets or pools' });
  };
  const names = new Set<string>();
  for (const [index, one] of replicate.entries()) {
    const name = replicationName(one);
    mustBe(one.dataset, `replicate[${index}].dataset`);
    if (names.has(name))
      throw badInput(`two replications are called ${name}`, {
        where: `replicate[${index}]`,
        hint: 'give one of them another name',
      });
    names.add(name);
  }
  for (const [name, { ssh }] of Object.entries(users))
    if (ssh?.receive) mustBe(ssh.receive.dataset, `users.${name}.ssh.receive.dataset`);
}

import type { Text } from '../base/secret.ts';
import type { Tuning } from './tuning.ts';

/** A mount of a container. `D` is the type of the declared datasets. */
export type Volume<D extends string = string> = {
  readonly at: string;
  readonly readOnly?: boolean;
} /** `below`: a folder of the dataset. If it is missing, it is made for the container's user. */ & (
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

/** Where the datasets of volumes are. */
export interface Placement {
  /** Where a dataset is mounted; default: as ZFS has it below /mnt. */
  readonly mountpointOf?: (dataset: string) => string;
  /** The unit that mounts the pool or dataset with a path of the machine; undefined if there is none. */
  readonly mountedBy?: (path: string) => string | undefined;
  /** Units that mount podman's storage; none if the storage is on the state partition. */
  readonly storage?: readonly string[];
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

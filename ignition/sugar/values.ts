import { badInput } from '../../sdk/lib/errors.ts';
import { nearNames } from '../../sdk/lib/near.ts';
import type { ContainerOptions, PodOptions } from './container-options.ts';
import type { NetworkOptions } from './network.ts';
import type { UserOptions } from './user.ts';
import type { LuksOptions } from './volumes.ts';
import type { PoolOptions } from './zpool.ts';

type Named<Value> = { readonly [name: string]: Value };

/** The sections of a machine that have options with a fixed set of values. */
interface Sections {
  readonly users?: Named<UserOptions>;
  readonly network?: NetworkOptions;
  readonly luks?: Named<LuksOptions>;
  readonly pools?: Named<PoolOptions>;
  readonly scrubs?: Named<unknown>;
  readonly pods?: Named<PodOptions>;
  readonly containers?: Named<ContainerOptions>;
  readonly freeImages?: unknown;
}

/** A value, the values that it may have, and its place. */
type Choice = readonly [value: unknown, allowed: readonly unknown[], where: string];

const byName = <Value>(named: Named<Value> | undefined, choices: (value: Value, name: string) => Choice[]) =>
  Object.entries(named ?? {}).flatMap(([name, value]) => (value === undefined ? [] : choices(value, name)));

const portChoices = ({ ports = [] }: PodOptions, where: string): Choice[] =>
  ports.flatMap((port, index): Choice[] =>
    typeof port === 'object' ? [[port.protocol, ['tcp', 'udp'], `${where}.ports[${index}].protocol`]] : [],
  );

function containerChoices(container: ContainerOptions, name: string): Choice[] {
  const { pull, userns, autoUpdate, health, network, ports = [] } = container;
  const at = `containers.${name}`;
  return [
    [pull, ['always', 'missing', 'newer', 'never'], `${at}.pull`],
    [userns, ['auto'], `${at}.userns`],
    [autoUpdate, ['registry'], `${at}.autoUpdate`],
    [
      typeof network === 'object' ? undefined : network,
      ['host', 'none', 'bridge'],
      `${at}.network (one of containerNetworks: { names: ['NAME'] })`,
    ],
    [health?.onFailure, ['none', 'kill', 'restart', 'stop'], `${at}.health.onFailure`],
    ...portChoices({ ports }, at),
  ];
}

function networkChoices({ interfaces, bonds, bridges, vlans }: NetworkOptions): Choice[] {
  const modes = '802.3ad active-backup balance-alb balance-rr balance-tlb balance-xor'.split(' ');
  return [
    ...byName<object>({ ...interfaces, ...bonds, ...bridges, ...vlans }, (one, name) => [
      [(one as { dhcp?: unknown }).dhcp, [true, 'ipv4', 'ipv6'], `network: dhcp of ${name}`],
    ]),
    ...byName(bonds, ({ mode }, name) => [[mode, modes, `network.bonds.${name}.mode`]]),
  ];
}

/**
 * Refuses values that an option does not have. Compiling a config does not check its types: without this check, a port
 * of protocol `UDP` would be a TCP port, and `scrubs: { tank: 'Never' }` would scrub every month.
 */
export function checkValues(sections: Sections): void {
  const choices: Choice[] = [
    ...byName(sections.users, ({ ssh }, name) => [[ssh?.only, ['sftp'], `users.${name}.ssh.only`]]),
    ...networkChoices(sections.network ?? {}),
    ...byName(sections.luks, ({ filesystem }, name) => [
      [filesystem?.format, ['ext4', 'xfs', 'btrfs'], `luks.${name}.filesystem.format`],
    ]),
    ...byName(sections.pools, ({ create, ashift }, name) => [
      [create, ['if-blank', 'never'], `pools.${name}.create`],
      [ashift, [9, 10, 11, 12, 13, 14, 15, 16], `pools.${name}.ashift`],
    ]),
    ...byName(sections.scrubs, (how, name) => [
      [typeof how === 'object' ? undefined : how, ['never'], `scrubs.${name}`],
    ]),
    ...byName(sections.pods, (pod, name) => [
      [pod.network, ['host', 'bridge'], `pods.${name}.network`],
      ...portChoices(pod, `pods.${name}`),
    ]),
    ...byName(sections.containers, containerChoices),
    [sections.freeImages, ['daily', 'weekly', 'monthly'], 'freeImages'],
  ];
  for (const [value, allowed, where] of choices) {
    if (value === undefined || allowed.includes(value)) continue;
    const words = allowed.map(String);
    throw badInput(`not a value of this option: ${JSON.stringify(value)}`, {
      where,
      hint: nearNames(String(value), words, `it is one of ${words.join(', ')}`),
    });
  }
}

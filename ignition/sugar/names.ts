import { badInput } from '../../sdk/lib/errors.ts';
import { nearNames } from '../../sdk/lib/near.ts';
import type {
  ContainerNetworkOptions,
  ContainerOptions,
  Health,
  Limits,
  PodOptions,
} from './container-options.ts';
import type { DatasetOptions } from './dataset.ts';
import { innerOfStorage } from './declared.ts';
import type { DirOptions, FileOptions, LinkOptions } from './file.ts';
import type { FirewallOptions } from './firewall.ts';
import {
  innerOfContainer,
  innerOfFirewall,
  innerOfNetwork,
  innerOfNotify,
  innerOfUpdate,
  type Named,
} from './inner-names.ts';
import type { NetworkOptions } from './network.ts';
import type { NotifyOptions } from './notify.ts';
import type { Receive, ReplicateOptions } from './replicate.ts';
import type { SelfTest, SmartOptions } from './smart.ts';
import type { KernelArgumentOptions, LogOptions, TimeOptions } from './system.ts';
import type { UnitOptions } from './unit.ts';
import type { UpdateOptions } from './update.ts';
import type { SnapshotPolicy } from './upkeep.ts';
import type { SshAccess, UserOptions } from './user.ts';
import type { LuksOptions } from './volumes.ts';
import type { PoolOptions } from './zpool.ts';

/**
 * The names of all options of a type, as a value. The type checker rejects a missing or an additional name.
 */
export type Names<Options> = { readonly [Name in keyof Required<Options>]: true };

/**
 * Refuses an option with an unknown name. Compiling a config runs it and does not check its types: without
 * this check, a misspelt `firewal` would make a machine without a firewall.
 */
export function checkNames(options: object, known: object, where: string): void {
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue;
    throw badInput(`unknown option ${JSON.stringify(name)}`, {
      where,
      hint: nearNames(name, Object.keys(known), `there are: ${Object.keys(known).join(', ')}`),
    });
  }
}

/** Sections that are a single set of options. */
const SINGLE = {
  time: { zone: true, servers: true } satisfies Names<TimeOptions>,
  network: { interfaces: true, bonds: true, bridges: true, vlans: true } satisfies Names<NetworkOptions>,
  firewall: { allow: true } satisfies Names<FirewallOptions>,
  smart: { short: true, long: true, temperature: true } satisfies Names<SmartOptions>,
  notify: { targets: true, heartbeat: true, config: true } satisfies Names<NotifyOptions>,
  log: { size: true, days: true } satisfies Names<LogOptions>,
  kernelArguments: { present: true, absent: true } satisfies Names<KernelArgumentOptions>,
  update: {
    base: true,
    channel: true,
    mode: true,
    pin: true,
    max: true,
    wariness: true,
    windows: true,
    zone: true,
    settle: true,
    deadline: true,
    gates: true,
    proxy: true,
    ca: true,
    root: true,
  } satisfies Names<UpdateOptions>,
};

/** Sections that are maps of objects by name. */
const BY_NAME = {
  users: {
    uid: true,
    gecos: true,
    home: true,
    shell: true,
    groups: true,
    primaryGroup: true,
    passwordHash: true,
    sshKeys: true,
    ssh: true,
    system: true,
  } satisfies Names<UserOptions>,
  files: {
    user: true,
    group: true,
    contents: true,
    mode: true,
    overwrite: true,
  } satisfies Names<FileOptions>,
  directories: { user: true, group: true, mode: true } satisfies Names<DirOptions>,
  links: { user: true, group: true, target: true, hard: true } satisfies Names<LinkOptions>,
  units: { contents: true, dropins: true, enabled: true, mask: true } satisfies Names<UnitOptions>,
  luks: { device: true, unlock: true, filesystem: true, wipe: true } satisfies Names<LuksOptions>,
  pools: {
    vdevs: true,
    log: true,
    cache: true,
    special: true,
    spares: true,
    ashift: true,
    encryption: true,
    mountpoint: true,
    create: true,
    properties: true,
  } satisfies Names<PoolOptions>,
  datasets: {
    quota: true,
    reservation: true,
    mountpoint: true,
    owner: true,
    encryption: true,
    properties: true,
  } satisfies Names<DatasetOptions>,
  snapshots: { keep: true, recursive: true } satisfies Names<SnapshotPolicy>,
  scrubs: { schedule: true },
  pods: { ports: true, network: true } satisfies Names<PodOptions>,
  containerNetworks: { internal: true, ipv6: true, subnet: true } satisfies Names<ContainerNetworkOptions>,
  containers: {
    image: true,
    pull: true,
    tmpfs: true,
    secrets: true,
    groups: true,
    userns: true,
    capabilities: true,
    needs: true,
    labels: true,
    timeZone: true,
    volumes: true,
    ports: true,
    environment: true,
    secretEnvironment: true,
    command: true,
    user: true,
    group: true,
    devices: true,
    limits: true,
    health: true,
    autoUpdate: true,
    pod: true,
    pools: true,
    network: true,
    readOnlyRoot: true,
    shmSize: true,
    ulimits: true,
    sysctls: true,
    entrypoint: true,
  } satisfies Names<ContainerOptions>,
};

const SSH: Names<SshAccess> = {
  from: true,
  command: true,
  only: true,
  receive: true,
  forwarding: true,
};
const SELF_TEST: Names<SelfTest> = { hour: true, weekday: true, day: true };
const RECEIVE: Names<Receive> = { dataset: true, floor: true };
const REPLICATE: Names<ReplicateOptions> = {
  dataset: true,
  to: true,
  port: true,
  hostKey: true,
  key: true,
  schedule: true,
  keep: true,
  name: true,
};
const LIMITS: Names<Limits> = { memory: true, cpu: true, processes: true };
const HEALTH: Names<Health> = {
  command: true,
  interval: true,
  timeout: true,
  retries: true,
  startPeriod: true,
  onFailure: true,
  startsWhenHealthy: true,
};

/** Refuses unknown names in the sections of a machine, except inside of plain Ignition. */
export function checkSections(
  sections: {
    readonly [Section in keyof typeof SINGLE | keyof typeof BY_NAME | 'replicate']?: object | undefined;
  },
): void {
  for (const [section, known] of Object.entries(SINGLE))
    checkNames(sections[section as keyof typeof SINGLE] ?? {}, known, section);
  for (const [section, known] of Object.entries(BY_NAME)) {
    const things = Object.entries(sections[section as keyof typeof BY_NAME] ?? {});
    for (const [name, options] of things)
      if (typeof options === 'object') checkNames(options ?? {}, known, `${section}.${name}`);
  }
  for (const [name, user] of Object.entries(sections.users ?? {})) {
    const { ssh = {} } = (user ?? {}) as UserOptions;
    checkNames(ssh, SSH, `users.${name}.ssh`);
    checkNames(ssh.receive ?? {}, RECEIVE, `users.${name}.ssh.receive`);
  }
  for (const [kind, test] of Object.entries(sections.smart ?? {}))
    if (typeof test === 'object') checkNames((test ?? {}) as object, SELF_TEST, `smart.${kind}`);
  for (const [index, one] of Object.entries(sections.replicate ?? {}))
    checkNames((one ?? {}) as object, REPLICATE, `replicate[${index}]`);
  for (const [name, container] of Object.entries(sections.containers ?? {})) {
    const { limits = {}, health = {} } = (container ?? {}) as Partial<ContainerOptions>;
    checkNames(limits, LIMITS, `containers.${name}.limits`);
    checkNames(health, HEALTH, `containers.${name}.health`);
  }
  for (const section of ['pods', 'containers'] as const) {
    for (const [name, options] of Object.entries(sections[section] ?? {}))
      checkAll(innerOfContainer(options ?? {}, `${section}.${name}`));
  }
  checkAll(innerOfStorage(sections as Parameters<typeof innerOfStorage>[0]));
  checkAll(innerOfNetwork(sections.network ?? {}));
  checkAll(innerOfFirewall(sections.firewall ?? {}));
  checkAll(innerOfNotify(sections.notify ?? {}));
  checkAll(innerOfUpdate(sections.update ?? {}));
}

function checkAll(named: readonly Named[]): void {
  for (const [options, known, where] of named) checkNames(options, known, where);
}

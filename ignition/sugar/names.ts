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
import { checkKind, checkKinds, type Names } from './kinds.ts';
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
 * Refuses an option with an unknown name, and one with a value of another kind. Compiling a config runs it and does not
 * check its types: without this check, a misspelt `firewal` would make a machine without a firewall.
 */
export function checkNames(options: object, known: object, where: string): void {
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue;
    throw badInput(`unknown option ${JSON.stringify(name)}`, {
      where,
      hint: nearNames(name, Object.keys(known), `there are: ${Object.keys(known).join(', ')}`),
    });
  }
  checkKinds(options, known, where);
}

/** Sections that are a single set of options. */
const SINGLE = {
  time: { zone: 'text', servers: 'list' } satisfies Names<TimeOptions>,
  network: { interfaces: 'map', bonds: 'map', bridges: 'map', vlans: 'map' } satisfies Names<NetworkOptions>,
  firewall: { allow: 'list!' } satisfies Names<FirewallOptions>,
  smart: { short: 'text|map', long: 'text|map', temperature: 'number' } satisfies Names<SmartOptions>,
  notify: { targets: 'list', heartbeat: 'text', config: 'map' } satisfies Names<NotifyOptions>,
  log: { size: 'text', days: 'number' } satisfies Names<LogOptions>,
  kernelArguments: { present: 'list', absent: 'list' } satisfies Names<KernelArgumentOptions>,
  update: {
    base: 'text',
    channel: 'text',
    mode: 'text',
    pin: 'text',
    max: 'text',
    wariness: 'number',
    windows: 'list',
    zone: 'text',
    settle: 'number',
    deadline: 'number',
    gates: 'list',
    proxy: 'text',
    ca: 'text',
    root: 'text|map',
  } satisfies Names<UpdateOptions>,
};

/** Sections that are maps of objects by name. */
const BY_NAME = {
  users: {
    uid: 'number',
    gecos: 'text',
    home: 'text',
    shell: 'text',
    groups: 'list',
    primaryGroup: 'text',
    passwordHash: 'text|map',
    sshKeys: 'list',
    ssh: 'map',
    system: 'flag',
  } satisfies Names<UserOptions>,
  files: {
    user: 'text|number',
    group: 'text|number',
    contents: 'text|map!',
    mode: 'number',
    overwrite: 'flag',
  } satisfies Names<FileOptions>,
  directories: { user: 'text|number', group: 'text|number', mode: 'number' } satisfies Names<DirOptions>,
  links: {
    user: 'text|number',
    group: 'text|number',
    target: 'text!',
    hard: 'flag',
  } satisfies Names<LinkOptions>,
  units: { contents: 'text|map', dropins: 'map', enabled: 'flag', mask: 'flag' } satisfies Names<UnitOptions>,
  luks: { device: 'text!', unlock: 'map!', filesystem: 'map', wipe: 'flag' } satisfies Names<LuksOptions>,
  pools: {
    vdevs: 'list!',
    log: 'map',
    cache: 'list',
    special: 'map',
    spares: 'list',
    ashift: 'number',
    encryption: 'map',
    mountpoint: 'text',
    create: 'text',
    properties: 'map',
  } satisfies Names<PoolOptions>,
  datasets: {
    quota: 'text',
    reservation: 'text',
    mountpoint: 'text',
    owner: 'map',
    encryption: 'map',
    properties: 'map',
  } satisfies Names<DatasetOptions>,
  snapshots: { keep: 'map!', recursive: 'flag' } satisfies Names<SnapshotPolicy>,
  scrubs: { schedule: 'text' },
  pods: { ports: 'list', network: 'text' } satisfies Names<PodOptions>,
  containerNetworks: {
    internal: 'flag',
    ipv6: 'flag',
    subnet: 'text',
  } satisfies Names<ContainerNetworkOptions>,
  containers: {
    image: 'text!',
    pull: 'text',
    tmpfs: 'list',
    secrets: 'map',
    groups: 'list',
    userns: 'text',
    capabilities: 'map',
    needs: 'list',
    labels: 'map',
    timeZone: 'text',
    volumes: 'list',
    ports: 'list',
    environment: 'map',
    secretEnvironment: 'text|map',
    command: 'list',
    user: 'number',
    group: 'number',
    devices: 'list',
    limits: 'map',
    health: 'map',
    autoUpdate: 'text',
    pod: 'text',
    pools: 'list',
    network: 'text|map',
    readOnlyRoot: 'flag',
    shmSize: 'text',
    ulimits: 'map',
    sysctls: 'map',
    entrypoint: 'list',
  } satisfies Names<ContainerOptions>,
};

const SSH: Names<SshAccess> = {
  from: 'list',
  command: 'text',
  only: 'text',
  receive: 'map',
  forwarding: 'flag',
};
const SELF_TEST: Names<SelfTest> = { hour: 'number!', weekday: 'text', day: 'number' };
const RECEIVE: Names<Receive> = { dataset: 'text!', floor: 'number' };
const REPLICATE: Names<ReplicateOptions> = {
  dataset: 'text!',
  to: 'text!',
  port: 'number',
  hostKey: 'text!',
  key: 'map!',
  schedule: 'text',
  keep: 'number',
  name: 'text',
};
const LIMITS: Names<Limits> = { memory: 'text', cpu: 'text', processes: 'number' };
const HEALTH: Names<Health> = {
  command: 'text!',
  interval: 'text',
  timeout: 'text',
  retries: 'number',
  startPeriod: 'text',
  onFailure: 'text',
  startsWhenHealthy: 'flag',
};

/** Refuses unknown names in the sections of a machine, except inside of plain Ignition. */
export function checkSections(
  sections: {
    readonly [Section in keyof typeof SINGLE | keyof typeof BY_NAME | 'replicate']?: object | undefined;
  },
): void {
  for (const [section, known] of Object.entries(SINGLE)) {
    const options = sections[section as keyof typeof SINGLE];
    if (options !== undefined) checkNames(options, known, section);
  }
  for (const [section, known] of Object.entries(BY_NAME)) {
    const things = Object.entries(sections[section as keyof typeof BY_NAME] ?? {});
    for (const [name, options] of things) {
      if (options === undefined) continue;
      checkKind(options, section === 'scrubs' ? 'text|map' : 'map', `${section}.${name}`);
      if (typeof options === 'object') checkNames(options as object, known, `${section}.${name}`);
    }
  }
  for (const [name, user] of Object.entries(sections.users ?? {})) {
    const { ssh = {} } = (user ?? {}) as UserOptions;
    checkNames(ssh, SSH, `users.${name}.ssh`);
    if (ssh.receive) checkNames(ssh.receive, RECEIVE, `users.${name}.ssh.receive`);
  }
  for (const [kind, test] of Object.entries(sections.smart ?? {}))
    if (typeof test === 'object') checkNames((test ?? {}) as object, SELF_TEST, `smart.${kind}`);
  for (const [index, one] of Object.entries(sections.replicate ?? []))
    checkNames((one ?? {}) as object, REPLICATE, `replicate[${index}]`);
  for (const [name, container] of Object.entries(sections.containers ?? {})) {
    const { limits = {}, health } = (container ?? {}) as Partial<ContainerOptions>;
    checkNames(limits, LIMITS, `containers.${name}.limits`);
    if (health) checkNames(health, HEALTH, `containers.${name}.health`);
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

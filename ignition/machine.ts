import type { SpecConfig } from './spec.ts';
import {
  checkAccess,
  checkContainers,
  checkFolders,
  checkHidden,
  checkPorts,
  checkReplication,
  checkServices,
  keyPaths,
  openings,
} from './sugar/checks.ts';
import { container } from './sugar/container.ts';
import type { ContainerNetworkOptions, ContainerOptions, PodOptions } from './sugar/container-options.ts';
import { type DatasetOptions, dataset } from './sugar/dataset.ts';
import { checkDeclared, checkSharedDisks } from './sugar/declared.ts';
import { type DirOptions, dir, type FileOptions, file, type LinkOptions, link } from './sugar/file.ts';
import { type FirewallOptions, firewall } from './sugar/firewall.ts';
import { type Fragment, mergeAll } from './sugar/fragment.ts';
import type { Names } from './sugar/kinds.ts';
import { mountedBy, mountOrder, mountPaths, mountpoints } from './sugar/mountpoints.ts';
import { freeDnsPort, publishesDns } from './sugar/name-server.ts';
import { checkNames, checkSections } from './sugar/names.ts';
import { type NetworkOptions, network } from './sugar/network.ts';
import { type NotifyOptions, notify } from './sugar/notify.ts';
import { containerNetwork, pod } from './sugar/pod.ts';
import { type ReplicateOptions, replicate } from './sugar/replicate.ts';
import { type SmartOptions, smart } from './sugar/smart.ts';
import { freeRoomTimer, type PruneSchedule, storageUnits, withContainerStorage } from './sugar/storage.ts';
import {
  hostname,
  type KernelArgumentOptions,
  kernelArguments,
  type LogOptions,
  log,
  type TimeOptions,
  time,
} from './sugar/system.ts';
import { type UnitOptions, unit } from './sugar/unit.ts';
import { type UpdateOptions, update } from './sugar/update.ts';
import { type SnapshotPolicy, scrub, snapshotPolicy } from './sugar/upkeep.ts';
import { type UserOptions, user } from './sugar/user.ts';
import { checkValues } from './sugar/values.ts';
import { type LuksOptions, luks } from './sugar/volumes.ts';
import { type PoolOptions, zpool } from './sugar/zpool.ts';

type Named<Value> = { readonly [name: string]: Value };

/** A dataset whose name begins with a declared pool; for any other name, a type with an error message. */
type DatasetOf<Key, Pool extends string> = Key extends `${Pool}/${string}`
  ? DatasetOptions
  : { readonly 'error: no pool of that name is declared in pools': never };

/**
 * The options of a machine. `Pool`, `Dataset`, `Pod`, `Container` and `Network` are the names declared in
 * `pools`, `datasets`, `pods`, `containers` and `containerNetworks`. A reference to another name is a type
 * error.
 */
export interface MachineOptions<
  Pool extends string,
  Dataset extends string,
  Pod extends string,
  Container extends string = string,
  Network extends string = string,
> {
  readonly hostname?: string;
  readonly time?: TimeOptions;
  readonly users?: Named<UserOptions>;
  readonly network?: NetworkOptions;
  readonly firewall?: FirewallOptions;
  readonly files?: Named<FileOptions>;
  readonly directories?: Named<DirOptions>;
  readonly links?: Named<LinkOptions>;
  readonly units?: Named<UnitOptions>;
  readonly luks?: Named<LuksOptions>;
  readonly kernelArguments?: KernelArgumentOptions;
  readonly pools?: { readonly [Name in Pool]: PoolOptions };
  readonly datasets?: { readonly [Name in Dataset]: DatasetOf<Name, NoInfer<Pool>> };
  readonly snapshots?: { readonly [Name in NoInfer<Dataset | Pool>]?: SnapshotPolicy };
  /** Scrubs of pools, monthly unless set here. Only data that is read regularly can be repaired in time. */
  readonly scrubs?: { readonly [Name in NoInfer<Pool>]?: { readonly schedule?: string } | 'never' };
  /** Times of the disks' self-tests; default: a short test each night, a long one each week. */
  readonly smart?: SmartOptions;
  /** Datasets that are sent to other machines. */
  readonly replicate?: readonly ReplicateOptions<NoInfer<Dataset | Pool>>[];
  readonly pods?: { readonly [Name in Pod]: PodOptions };
  /**
   * Networks on which containers find each other by name. A container joins one by `network: { names: […] }`.
   */
  readonly containerNetworks?: { readonly [Name in Network]: ContainerNetworkOptions };
  readonly containers?: {
    readonly [Name in Container]: ContainerOptions<
      NoInfer<Dataset>,
      NoInfer<Pool>,
      NoInfer<Container>,
      NoInfer<Network>
    > & { readonly pod?: NoInfer<Pod> };
  };
  /**
   * The dataset for images, containers and volumes, in place of the state partition, from the first boot on.
   */
  readonly containerStorage?: NoInfer<Dataset>;
  /** How often unused images are removed, as `draisine free` does; default: never. */
  readonly freeImages?: PruneSchedule;
  /** Limits of the journal. */
  readonly log?: LogOptions;
  /** The source of updates, the times for restarts, and the conditions for keeping a release. */
  readonly update?: UpdateOptions<NoInfer<Pool>, NoInfer<Container>>;
  /** Receivers of messages about problems. */
  readonly notify?: NotifyOptions;
  /** Parts made by the functions of the sugar, or by your own functions. They win over the sections above. */
  readonly include?: readonly Fragment[];
  /** Plain Ignition. It wins over everything. */
  readonly ignition?: Omit<SpecConfig, 'ignition'> & {
    readonly ignition?: Omit<SpecConfig['ignition'], 'version'>;
  };
}

const SECTIONS: Names<MachineOptions<string, string, string>> = {
  hostname: 'text',
  time: 'map',
  users: 'map',
  network: 'map',
  firewall: 'map',
  files: 'map',
  directories: 'map',
  links: 'map',
  units: 'map',
  luks: 'map',
  kernelArguments: 'map',
  pools: 'map',
  datasets: 'map',
  snapshots: 'map',
  scrubs: 'map',
  smart: 'map',
  replicate: 'list',
  pods: 'map',
  containerNetworks: 'map',
  containers: 'map',
  containerStorage: 'text',
  freeImages: 'text',
  log: 'map',
  notify: 'map',
  update: 'map',
  include: 'list',
  ignition: 'map',
};

/** The whole configuration of a machine: plain Ignition of spec 3.3, in which secrets are not read yet. */
export interface Machine extends Fragment {
  readonly ignition: { readonly version: '3.3.0' };
}

function each<Value>(named: object | undefined, make: (name: string, value: Value) => Fragment): Fragment[] {
  return Object.entries(named ?? {})
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => make(name, value as Value));
}

/** The names of unit files among the parts. A unit without contents is one of the image, or of a quadlet. */
function writtenUnits(parts: readonly Fragment[]): string[] {
  return parts.flatMap(
    ({ systemd }) =>
      ((systemd ?? {}) as NonNullable<SpecConfig['systemd']>).units?.flatMap((unit) =>
        unit.contents === undefined ? [] : [unit.name],
      ) ?? [],
  );
}

function scrubsOf(
  pools: Named<PoolOptions>,
  wanted: MachineOptions<string, never, never>['scrubs'] = {},
): Named<{ readonly schedule?: string }> {
  const all = { ...Object.fromEntries(Object.keys(pools).map((name) => [name, {}])), ...wanted };
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, how]) => (how === 'never' ? [] : [[name, how ?? {}]])),
  );
}

/** The parts of a machine that refer to each other, after their references were checked. */
interface Resolved {
  readonly pools: Named<PoolOptions>;
  readonly datasets: Named<DatasetOptions>;
  readonly containers: Named<ContainerOptions>;
  readonly mountpointOf: (dataset: string) => string;
}

type AnyOptions = Omit<MachineOptions<string, string, string>, 'datasets'> & {
  readonly datasets?: Named<DatasetOptions>;
};

/** The options without the undefined things of a section: `containers: { web: isTest ? { … } : undefined }`. */
const withoutUndefined = (options: AnyOptions): AnyOptions =>
  Object.fromEntries(
    Object.entries(options).map(([section, things]: [string, unknown]) => [
      section,
      things !== undefined && SECTIONS[section as keyof typeof SECTIONS] === 'map'
        ? Object.fromEntries(Object.entries(things as object).filter(([, thing]) => thing !== undefined))
        : things,
    ]),
  );

/** Checks the names, the values and the references of all sections. */
function resolve(options: AnyOptions): Resolved {
  checkSections(options);
  checkValues(options as Parameters<typeof checkValues>[0]);
  const { pools = {}, containers = {} } = options;
  const datasets = withContainerStorage(options.datasets ?? {}, options.containerStorage);
  const mountpointOf = mountpoints(pools, datasets);
  checkAccess(containers, datasets);
  checkPorts(containers, options.pods ?? {});
  checkContainers(containers, options.containerNetworks ?? {});
  checkDeclared({ ...options, datasets });
  const declared = [...Object.keys(pools), ...Object.keys(datasets)];
  checkReplication(options.replicate ?? [], options.users ?? {}, declared);
  return { pools, datasets, containers, mountpointOf };
}

/** The parts of the system: accounts, network, files, units. */
function systemParts(options: AnyOptions, { containers }: Resolved): Fragment[] {
  const pods = options.pods ?? {};
  return [
    ...(options.hostname === undefined ? [] : [hostname(options.hostname)]),
    ...(options.time ? [time(options.time)] : []),
    ...each(options.users, user),
    ...(options.network ? [network(options.network)] : []),
    ...(options.firewall ? [firewall(options.firewall, openings(options.firewall, containers, pods))] : []),
    ...(publishesDns(containers, pods) ? [freeDnsPort()] : []),
    ...each(options.files, file),
    ...each(options.directories, dir),
    ...each(options.links, link),
    ...(options.notify ? [notify(options.notify)] : []),
    ...each(options.units, unit),
    ...each(options.luks, luks),
    ...(options.kernelArguments ? [kernelArguments(options.kernelArguments)] : []),
    ...(options.log ? [log(options.log)] : []),
    ...(options.update ? [update(options.update, options.time?.zone)] : []),
  ];
}

/** The parts of pools and datasets, and of their upkeep. */
function storageParts(options: AnyOptions, { pools, datasets, mountpointOf }: Resolved): Fragment[] {
  const keyPathOf = keyPaths(pools, datasets);
  const around = mountOrder(pools, datasets, mountpointOf);
  return [
    ...each(pools, (name, one: PoolOptions) => zpool(name, one, around(name))),
    ...each(datasets, (name, one: DatasetOptions) => dataset(name, one, keyPathOf(name), around(name))),
    ...each(options.snapshots, snapshotPolicy),
    ...each(scrubsOf(pools, options.scrubs), scrub),
    ...(options.smart ? [smart(options.smart)] : []),
    ...(options.replicate ?? []).map((one) => replicate(one)),
  ];
}

/** The parts of containers, and of their images. */
function containerParts(
  options: AnyOptions,
  { pools, datasets, containers, mountpointOf }: Resolved,
): Fragment[] {
  const storage = storageUnits(options.containerStorage);
  const placement = { mountpointOf, mountedBy: mountedBy(pools, datasets, mountpointOf), storage };
  return [
    ...each(options.pods, (name, one: PodOptions) => pod(name, one, storage)),
    ...each(options.containerNetworks, (name, one: ContainerNetworkOptions) =>
      containerNetwork(name, one, storage),
    ),
    ...each(containers, (name, one: ContainerOptions) => container(name, one, placement)),
    ...(options.freeImages ? [freeRoomTimer(options.freeImages)] : []),
  ];
}

/**
 * Composes the configuration of a machine. Make the result the default export of a file, and compile the
 * file: `draisine ignition compile machine.ts`.
 * @throws Failure when an option has an unknown name, or when parts contradict each other
 */
export function machine<
  const Pool extends string = never,
  const Dataset extends string = never,
  const Pod extends string = never,
  const Container extends string = never,
  const Network extends string = never,
>(given: MachineOptions<Pool, Dataset, Pod, Container, Network>): Machine {
  checkNames(given, SECTIONS, 'machine');
  const options = withoutUndefined(given as unknown as AnyOptions);
  const resolved = resolve(options);
  const { pools, datasets, containers, mountpointOf } = resolved;
  const sections = [
    ...systemParts(options, resolved),
    ...storageParts(options, resolved),
    ...containerParts(options, resolved),
  ];
  checkServices(options, writtenUnits(sections));
  checkSharedDisks(pools);
  const merged = mergeAll([...sections, ...(options.include ?? []), (options.ignition ?? {}) as Fragment]);
  const mounted = mountPaths(pools, datasets, mountpointOf);
  checkFolders(containers, merged, mounted);
  checkHidden(merged, options.users ?? {}, mounted);
  const { ignition = {}, ...rest } = merged;
  return { ignition: { version: '3.3.0', ...ignition }, ...rest } as Machine;
}

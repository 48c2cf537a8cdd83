import { badInput } from '../../sdk/lib/errors.ts';
import { checkHealth, checkIdentity, checkLimits, checkMounts, checkPublishing } from './container-checks.ts';
import type { ContainerOptions, Device, Placement } from './container-options.ts';
import {
  absolute,
  argument,
  deviceWords,
  EMPTY,
  environmentPath,
  FOLDER,
  healthSettings,
  identity,
  imageName,
  networks,
  pairs,
  publishedPorts,
  quadletName,
  secretPath,
  secretVolumes,
  volumeWords,
} from './container-words.ts';
import { datasetService } from './dataset.ts';
import { file } from './file.ts';
import { type Fragment, mergeFragments } from './fragment.ts';
import { type Section, section, unitText } from './ini.ts';
import { timeZone } from './time-zone.ts';
import { tuningSettings } from './tuning.ts';
import { unit } from './unit.ts';
import { unitPath } from './unit-name.ts';
import { poolService } from './zpool.ts';

/** The mount point of a dataset without one in its options. */
export const defaultMountpoint = (dataset: string): string => `/mnt/${dataset}`;

const unplugged = (devices: readonly Device[] = []): string[] =>
  devices.flatMap((device) =>
    typeof device === 'object' && device.unplugs ? [`${unitPath(device.path)}.device`] : [],
  );

/** Units a container waits for: the datasets it mounts, the pools and the other containers it names. */
function needed(
  { volumes = [], pools = [], needs = [] }: ContainerOptions,
  mountedBy: NonNullable<Placement['mountedBy']>,
): string[] {
  const datasets = volumes.flatMap((volume) => {
    if ('dataset' in volume) return [datasetService(volume.dataset)];
    return ('path' in volume ? mountedBy(volume.path) : undefined) ?? [];
  });
  const containers = needs.map((name) => `${quadletName(name)}.service`);
  return [...new Set([...datasets, ...pools.map(poolService), ...containers])];
}

/** Makes a folder of a dataset, for podman does not. Arguments: the owner, the group and the path. */
const MAKE_FOLDER = '[ -e "$3" ] || install -d -o "$1" -g "$2" "$3"';

/** Commands that make the missing folders of datasets. The datasets are mounted by then. */
function folders(
  { volumes = [], user = 0, group = user }: ContainerOptions,
  mountpointOf: (dataset: string) => string,
): string[] {
  const paths = volumes.flatMap((volume) =>
    'dataset' in volume && volume.below !== undefined
      ? [`${mountpointOf(volume.dataset)}/${volume.below}`]
      : [],
  );
  return paths.map((path) => {
    const words = ['-c', MAKE_FOLDER, 'sh', `${user}`, `${group}`, path];
    return `/bin/sh ${words.map(argument).join(' ')}`;
  });
}

function containerSection(
  name: string,
  options: ContainerOptions,
  mountpointOf: (dataset: string) => string,
): Section {
  const { limits = {}, environment = {}, labels = {} } = options;
  return section('Container', {
    ContainerName: name,
    Image: imageName(options.image),
    Pull: options.pull,
    Exec: options.command?.map(argument).join(' '),
    Pod: options.pod === undefined ? undefined : `${options.pod}.pod`,
    Network: networks(options.network),
    ...identity(options),
    Volume: [
      ...(options.volumes ?? []).map((volume) => volumeWords(volume, mountpointOf)),
      ...secretVolumes(name, options),
    ],
    Tmpfs: options.tmpfs?.map((path) => absolute(path, 'folder in memory')),
    PublishPort: publishedPorts(options.ports),
    Environment: pairs('variable', environment),
    EnvironmentFile: options.secretEnvironment === undefined ? undefined : environmentPath(name),
    Label: pairs('label', labels),
    AddDevice: options.devices?.map(deviceWords),
    Timezone:
      options.timeZone === undefined ? 'local' : timeZone(options.timeZone, `containers.${name}.timeZone`),
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
  { mountpointOf = defaultMountpoint, mountedBy = () => undefined, storage = [] }: Placement = {},
): string {
  checkMounts(name, options);
  checkLimits(name, options.limits ?? {});
  checkIdentity(name, options);
  checkHealth(name, options.health);
  const units = [...new Set([...storage, ...needed(options, mountedBy)])];
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
      ExecStartPre: folders(options, mountpointOf),
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

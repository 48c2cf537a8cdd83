import { type Box, BoxError, folderOf, mustRun, readTextIfThere } from '../io/box.ts';
import { isoTime } from '../io/fields.ts';
import { unitEscape } from '../settings/storage.ts';
import { importedPools, type Pool, poolLosses } from '../zfs/pools.ts';

/** The state of a box before a change, which must not get worse. Used for trials, and for `apply`. */
export interface Baseline {
  readonly at: string;
  readonly version: string;
  /** Active units that the boot starts. */
  readonly units: readonly string[];
  readonly failed: readonly string[];
  /** Containers that a unit runs. A baseline of an older release does not name the unit. */
  readonly containers: readonly {
    readonly name: string;
    readonly healthy: boolean;
    readonly unit?: string | undefined;
  }[];
  readonly pools: readonly Pool[];
  readonly mounts: readonly Mounted[];
  /** Default routes: family and device. */
  readonly routes: readonly string[];
  /** Addresses that answered: gateways, and the channel's server. */
  readonly reached: readonly string[];
  /** Units that timers start. Undefined: an earlier release has recorded it. */
  readonly jobs?: readonly string[];
}

/** The file with the state of the box before the trial. */
export const BASELINE = '/var/lib/draisine/update/baseline.json';
const FORMAT = 1;

interface Mounted {
  readonly target: string;
  readonly writable: boolean;
  /** Of another machine (nfs(5), mount.cifs(8)). */
  readonly remote?: boolean;
  /** The ZFS dataset that is mounted. */
  readonly dataset?: string;
}

interface UnitState {
  readonly id: string;
  readonly load: string;
  readonly active: string;
  readonly sub: string;
  readonly condition: boolean;
}

const SYSTEMCTL = ['systemctl', '--no-pager', '--plain', '--no-legend'];
/** Limit for each question, so that none of them holds up a deadline. */
const IN_TIME = { timeoutSeconds: 60 };

/** Units that the boot starts: all that multi-user.target wants, directly or through other targets. */
function bootUnits(box: Box): string[] {
  const told = mustRun(
    box,
    'cannot list units',
    [...SYSTEMCTL, 'list-dependencies', 'multi-user.target'],
    IN_TIME,
  );
  const names = told.split('\n').map((line) => line.replace(/^[^A-Za-z0-9-]*/, '').trim());
  return [...new Set(names.filter((name) => /\.(service|socket|timer|path|mount|target)$/.test(name)))];
}

/** The states of some units, as systemctl(1) shows them. */
export function unitStates(box: Box, names: readonly string[]): UnitState[] {
  if (names.length === 0) return [];
  const properties = 'Id,LoadState,ActiveState,SubState,ConditionResult';
  const command = ['systemctl', 'show', `--property=${properties}`, '--', ...names];
  const told = mustRun(box, 'cannot ask for units', command, IN_TIME);
  return told
    .trim()
    .split('\n\n')
    .map((block) => {
      const value = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(block)?.[1] ?? '';
      return {
        id: value('Id'),
        load: value('LoadState'),
        active: value('ActiveState'),
        sub: value('SubState'),
        condition: value('ConditionResult') !== 'no',
      };
    });
}

interface Loaded {
  readonly id: string;
  readonly active: string;
  readonly sub: string;
}

/**
 * Units in which podman runs health checks, CONTAINER-NUMBER.service. Such a unit fails while its container is starting
 * or unhealthy. The container tells that as well, and better: its next start has another number.
 */
export const HEALTH_CHECK = /^[0-9a-f]{64}-\S*\.(service|timer)$/;

/** All other units that systemd knows now. One question, while `systemctl show` asks for each unit. */
function loadedUnits(box: Box, ...options: readonly string[]): Loaded[] {
  const command = [...SYSTEMCTL, '--full', 'list-units', '--all', ...options];
  return mustRun(box, 'cannot list units', command, IN_TIME)
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([id = '', , active = '', sub = '']) =>
      id === '' || HEALTH_CHECK.test(id) ? [] : [{ id, active, sub }],
    );
}

/** Units that timers start (systemd.timer(5), Unit=). */
function timerJobs(box: Box): string[] {
  const command = ['systemctl', 'show', '--property=Unit', '--', '*.timer'];
  const told = mustRun(box, 'cannot list timers', command, IN_TIME);
  return [...new Set([...told.matchAll(/^Unit=(\S+)$/gm)].map(([, unit]) => unit!))].sort();
}

const failedOf = (units: readonly Loaded[]): string[] =>
  units.flatMap(({ id, active }) => (active === 'failed' ? [id] : []));

/** Names of failed units. */
export function failedUnits(box: Box): string[] {
  return loadedUnits(box, '--state=failed').map(({ id }) => id);
}

interface Container {
  readonly name: string;
  readonly running: boolean;
  /** Undefined if it has no health check. */
  readonly healthy: boolean | undefined;
  /** It is not healthy yet, which is no fault. */
  readonly starting: boolean;
  readonly unit: string | undefined;
}

/** Health in a status such as `Up 2 minutes (healthy)`, or `healthy` alone. */
function healthOf(status: string): Pick<Container, 'healthy' | 'starting'> {
  const [health] = /\b(healthy|unhealthy|starting)\b/.exec(status) ?? [];
  return {
    healthy: health === undefined ? undefined : health === 'healthy',
    starting: health === 'starting',
  };
}

/** All containers of root. None if podman was never used: asking podman takes a second. */
export function containersOf(box: Box): Container[] {
  if (box.stat('/var/lib/containers/storage/overlay-containers') === undefined) return [];
  const told = mustRun(box, 'cannot list containers', ['podman', 'ps', '--all', '--format', 'json'], {
    timeoutSeconds: 120,
  });
  const listed = JSON.parse(told) as {
    Names?: string[];
    State?: string;
    Status?: string;
    Labels?: Record<string, string> | null;
  }[];
  return (listed ?? []).map(({ Names = [], State = '', Status = '', Labels }) => ({
    name: Names[0] ?? '',
    running: State === 'running',
    ...healthOf(Status),
    unit: Labels?.PODMAN_SYSTEMD_UNIT,
  }));
}

const REMOTE = ['nfs', 'nfs4', 'cifs'];

/** The fields of all mounts (proc_pid_mounts(5)): device, target, kind, options. */
const mountLines = (box: Box): string[][] =>
  box
    .readText('/proc/self/mounts')
    .trim()
    .split('\n')
    .map((line) => line.split(' '));

/** File systems with data, except those of containers and our own. */
function mountsOf(box: Box): Mounted[] {
  return mountLines(box)
    .filter(([device = '', target = '', kind = '']) => {
      const data = device.startsWith('/dev/') || [...REMOTE, 'zfs', 'virtiofs', '9p'].includes(kind);
      return data && kind !== 'overlay' && !/^\/(run|usr|var\/lib\/containers)(\/|$)/.test(target);
    })
    .map(([device = '', target = '', kind = '', options = '']) => ({
      ...{ target, writable: options.split(',').includes('rw') },
      ...(REMOTE.includes(kind) ? { remote: true } : {}),
      ...(kind === 'zfs' ? { dataset: device } : {}),
    }));
}

/** A way of a route (ip-route(8)). A route with several ways lists them, and has none itself. */
interface Hop {
  readonly gateway?: string;
  readonly dev?: string;
}

/** The default route of a family by a device. */
const routeName = (family: string, dev: string | undefined) =>
  `${family === '-4' ? 'IPv4' : 'IPv6'} by ${dev}`;
const deviceOf = (route: string) => route.slice(route.indexOf(' by ') + 4);

function routesOf(box: Box): (Hop & { readonly name: string })[] {
  return ['-4', '-6'].flatMap((family) => {
    const told = mustRun(
      box,
      'cannot list routes',
      ['ip', family, '-json', 'route', 'show', 'default'],
      IN_TIME,
    );
    const routes = JSON.parse(told.trim() === '' ? '[]' : told) as (Hop & { nexthops?: readonly Hop[] })[];
    return routes
      .flatMap((route) => route.nexthops ?? [route])
      .map((hop) => ({ ...hop, name: routeName(family, hop.dev) }));
  });
}

function pings(box: Box, address: string): boolean {
  return box.run(['ping', '-n', '-c', '1', '-W', '3', address], { timeoutSeconds: 10 }).code === 0;
}

/** Another address that must answer: the channel's server. */
export type Reach = Readonly<Record<string, () => boolean>>;

/** The present state of the box. */
export function lookInside(box: Box, version: string): Baseline {
  const ofBoot = new Set(bootUnits(box));
  const loaded = loadedUnits(box);
  const active = loaded.filter(
    ({ id, active: state, sub }) =>
      ofBoot.has(id) &&
      state === 'active' &&
      ['running', 'exited', 'listening', 'waiting', 'mounted', 'active'].includes(sub),
  );
  return {
    at: isoTime(box.now()),
    version,
    units: active.map(({ id }) => id).sort(),
    failed: failedOf(loaded),
    containers: containersOf(box)
      .filter(({ running, unit }) => running && unit !== undefined)
      .map(({ name, healthy, unit }) => ({ name, healthy: healthy === true, unit })),
    pools: importedPools(box),
    mounts: mountsOf(box),
    routes: [],
    reached: [],
    jobs: timerJobs(box),
  };
}

/** The state of the box now. */
export function lookAtBox(box: Box, version: string, reach: Reach = {}): Baseline {
  const routes = routesOf(box);
  const gateways = [
    ...new Set(
      routes.flatMap(({ gateway }) =>
        gateway === undefined || gateway.startsWith('fe80:') ? [] : [gateway],
      ),
    ),
  ];
  return {
    ...lookInside(box, version),
    routes: [...new Set(routes.map(({ name }) => name))],
    reached: [
      ...gateways.filter((gateway) => pings(box, gateway)),
      ...Object.entries(reach).flatMap(([name, asks]) => (asks() ? [name] : [])),
    ],
  };
}

/** Questions for losses, as sentences. Things that were broken before do not count. */
export function lossQuestions(box: Box, before: Baseline, reach: Reach = {}): (() => string[])[] {
  return [
    () => unitLosses(box, before),
    () => containerLosses(box, before),
    () => (before.pools.length > 0 ? poolsLost(box, before) : []),
    () => mountLosses(box, before),
    () => routeLosses(box, before),
    ...before.reached.map((name) => () => (isReached(box, name, reach) ? [] : [unreached(name)])),
  ];
}

/** The losses now. */
export function lossesOf(box: Box, before: Baseline, reach: Reach = {}): string[] {
  return lossQuestions(box, before, reach).flatMap((ask) => ask());
}

const notMounted = (target: string) => `${target} is not mounted`;
const unitFailed = (unit: string) => `${unit} has failed`;

/** The unit of a mount point. */
export const mountUnit = (target: string): string => `${unitEscape(target.slice(1))}.mount`;

/** The name of the channel's server among the addresses that answered. */
export const CHANNEL = 'the channel';

const unreached = (name: string) => `${name} cannot be reached`;
const routeGone = (name: string) => `the default route ${name} is gone`;

/**
 * Whether all losses may have a cause outside of the box. A default route is an answer of a router, by DHCP or a router
 * advertisement. A job that a timer starts, such as a backup, may need a server; many run right after a restart.
 */
export function isOutside(before: Baseline | undefined, losses: readonly string[]): boolean {
  const remote = (before?.mounts ?? []).flatMap(({ target, remote: isRemote }) =>
    isRemote ? [notMounted(target), unitFailed(mountUnit(target))] : [],
  );
  const answers = [...(before?.reached ?? []).map(unreached), ...(before?.routes ?? []).map(routeGone)];
  const outside = new Set([...remote, ...answers, ...(before?.jobs ?? []).map(unitFailed)]);
  return losses.length > 0 && losses.every((loss) => outside.has(loss));
}

/**
 * Whether the channel's server is the only loss, and a gateway answers. So the network of this machine works, and the server
 * or the way to it is down.
 */
export function isSourceSilent(before: Baseline | undefined, losses: readonly string[]): boolean {
  const reached = before?.reached ?? [];
  const isOnly = losses.length === 1 && losses[0] === unreached(CHANNEL);
  return isOnly && reached.some((name) => name !== CHANNEL);
}

function poolsLost(box: Box, before: Baseline): string[] {
  const now = importedPools(box);
  return before.pools.flatMap((pool) =>
    poolLosses(
      pool,
      now.find(({ name }) => name === pool.name),
    ),
  );
}

function unitLosses(box: Box, before: Baseline): string[] {
  const loaded = loadedUnits(box);
  const going = new Set(loaded.flatMap(({ id, active }) => (active === 'active' ? [id] : [])));
  const missing = before.units.filter((name) => !going.has(name));
  const lost = unitStates(box, missing).flatMap(({ id, load, active, sub, condition }) => {
    // The new release does not have the unit, or the unit need not run now, e.g. one for first boots only.
    if (load === 'not-found' || load === 'masked' || active === 'active') return [];
    if (active === 'inactive' && !condition) return [];
    return active === 'failed' ? [] : [`${id} was active and is ${active} (${sub})`];
  });
  const failed = failedOf(loaded).filter((name) => !before.failed.includes(name));
  return [...failed.map(unitFailed), ...lost];
}

function containerLosses(box: Box, before: Baseline): string[] {
  if (before.containers.length === 0) return [];
  const now = containersOf(box);
  return before.containers.flatMap(({ name, healthy, unit }) => {
    // Its unit may give it another name now.
    const found =
      now.find((each) => each.name === name) ??
      now.find((each) => unit !== undefined && each.unit === unit && each.running);
    if (!found?.running) return [`container ${name} does not run`];
    return healthy && found.healthy !== true ? [`container ${name} was healthy and is not`] : [];
  });
}

function mountLosses(box: Box, before: Baseline): string[] {
  const now = new Map(mountsOf(box).map(({ target, writable }) => [target, writable]));
  // systemd mounts these when somebody uses them (systemd.automount(5)).
  const onDemand = new Set(
    mountLines(box).flatMap(([, target, kind]) => (kind === 'autofs' ? [target] : [])),
  );
  return before.mounts.flatMap(({ target, writable }) => {
    const found = now.get(target);
    if (found === undefined) return onDemand.has(target) ? [] : [notMounted(target)];
    return writable && !found ? [`${target} was writable and is read-only`] : [];
  });
}

function routeLosses(box: Box, before: Baseline): string[] {
  const routes = before.routes.length > 0 ? routesOf(box).map(({ name }) => name) : [];
  return before.routes
    .filter((name) => !routes.includes(name))
    .map((name) => {
      const device = deviceOf(name);
      // No router is to blame for that: the new release may lack the driver.
      return box.stat(`/sys/class/net/${device}`) ? routeGone(name) : `network device ${device} is missing`;
    });
}

const isReached = (box: Box, name: string, reach: Reach): boolean =>
  reach[name] ? reach[name]() : !/^[\d.:a-f]+$/.test(name) || pings(box, name);

/** Writes the baseline, readable by root alone. */
export function writeBaseline(box: Box, baseline: Baseline, path = BASELINE): void {
  box.makeFolder(folderOf(path), 0o700);
  box.writeFile(path, `${JSON.stringify({ format: FORMAT, ...baseline }, null, 2)}\n`, { mode: 0o600 });
}

/** The recorded baseline. Undefined if it is missing or damaged: then nothing counts as lost. */
export function readBaseline(box: Box, path = BASELINE): Baseline | undefined {
  const text = readTextIfThere(box, path);
  if (text === undefined) return undefined;
  try {
    const { format, ...parsed } = JSON.parse(text) as Partial<Baseline> & { format?: number };
    const lists = [
      parsed.units,
      parsed.failed,
      parsed.containers,
      parsed.pools,
      parsed.mounts,
      parsed.routes,
      parsed.reached,
      parsed.jobs ?? [],
    ];
    if (format !== FORMAT || !lists.every(Array.isArray))
      throw new BoxError('not a baseline of this release');
    return parsed as Baseline;
  } catch (error) {
    if (!(error instanceof BoxError || error instanceof SyntaxError)) throw error;
    box.log('warning', `the record of the box before the update is ignored: ${error.message}`);
    return undefined;
  }
}

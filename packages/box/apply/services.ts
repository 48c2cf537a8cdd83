import type { NodeStep } from './steps.ts';
import type { Wishes } from './wishes.ts';

/**
 * An action on a running unit, or a program that makes the system read a file again. A unit may be a pattern: all
 * instances of a template. `startsIfFailed`: a restart that also starts a unit that has failed.
 */
export type Service =
  | { readonly do: 'stop' | 'start' | 'reload'; readonly unit: string }
  | { readonly do: 'restart'; readonly unit: string; readonly startsIfFailed: boolean }
  | { readonly do: 'run'; readonly argv: readonly string[]; readonly what: string };

/** Units of the release that run without a config, and that a config may change. */
export interface ReleaseUnits {
  readonly there: ReadonlySet<string>;
  readonly wanted: ReadonlySet<string>;
}

interface Change {
  readonly nodes: readonly NodeStep[];
  readonly enable: readonly string[];
  readonly disable: readonly string[];
  readonly old: Wishes;
  readonly next: Wishes;
  readonly release: ReleaseUnits;
  readonly decode: (bytes: Uint8Array) => string;
}

/** A change with the quadlets of both configs. */
interface Planned extends Change {
  readonly before: ReadonlyMap<string, Quadlet>;
  readonly after: ReadonlyMap<string, Quadlet>;
}

const run = (what: string, ...argv: string[]): Service => ({ do: 'run', argv, what });
const restart = (unit: string, startsIfFailed = true): Service => ({ do: 'restart', unit, startsIfFailed });

/** Sets the host name as a boot does: without /etc/hostname it is DEFAULT_HOSTNAME of os-release(5). */
const HOST_NAME =
  'if [ -s /etc/hostname ]; then hostname -F /etc/hostname; else . /etc/os-release; hostname "$DEFAULT_HOSTNAME"; fi';

/** Which action a changed file needs. The first matching entry counts. */
const READERS: readonly { readonly path: RegExp; readonly services: readonly Service[] }[] = [
  {
    path: /^\/etc\/systemd\/network\/.*\.(network|netdev|link)(\.d\/.*)?$/,
    services: [run('network', 'networkctl', 'reload')],
  },
  {
    path: /^\/etc\/systemd\/networkd\.conf/,
    services: [restart('systemd-networkd.service')],
  },
  {
    path: /^\/etc\/systemd\/resolved\.conf/,
    services: [restart('systemd-resolved.service')],
  },
  {
    path: /^\/etc\/systemd\/timesyncd\.conf/,
    services: [restart('systemd-timesyncd.service')],
  },
  {
    path: /^\/etc\/systemd\/journald\.conf/,
    services: [restart('systemd-journald.service')],
  },
  { path: /^\/etc\/nftables\.conf$/, services: [{ do: 'reload', unit: 'nftables.service' }] },
  { path: /^\/etc\/ssh\//, services: [{ do: 'reload', unit: 'ssh.service' }] },
  { path: /^\/etc\/hostname$/, services: [run('host name', 'sh', '-c', HOST_NAME)] },
  { path: /^\/etc\/sysctl\.d\//, services: [restart('systemd-sysctl.service')] },
  { path: /^\/etc\/modules-load\.d\//, services: [restart('systemd-modules-load.service')] },
  { path: /^\/etc\/tmpfiles\.d\//, services: [run('temporary files', 'systemd-tmpfiles', '--create')] },
  { path: /^\/etc\/udev\/rules\.d\//, services: [run('udev rules', 'udevadm', 'control', '--reload')] },
  // At boot the unit's condition was false if the file did not exist, so it may not run yet.
  {
    path: /^\/etc\/draisine\/notify\.json$/,
    services: [{ do: 'start', unit: 'draisine-watch.timer' }],
  },
  { path: /^\/etc\/smartd\.conf$/, services: [restart('smartmontools.service')] },
];

const DROP_IN = /\.d\/[^/]+\.conf$/;

/** Quadlets of the system, in folders too (podman-systemd.unit(5)). Those of users are below `users`. */
const QUADLET =
  /^\/etc\/containers\/systemd\/(?!users\/)(?:.+\/)?([^/]+)\.(container|pod|network|volume|image|build|kube)$/;

/** A quadlet of a config. `text`: its lines and those of its drop-ins, which podman reads as one file. */
interface Quadlet {
  readonly service: string;
  readonly text: string;
}

/** The service of a quadlet that does not name it; undefined for another file (podman-systemd.unit(5)). */
function serviceByFile(file: string): string | undefined {
  const [, name, kind = ''] = QUADLET.exec(file) ?? [];
  if (name === undefined) return undefined;
  return kind === 'container' || kind === 'kube' ? `${name}.service` : `${name}-${kind}.service`;
}

/** The last value of a setting in a quadlet. */
const settingOf = (text: string, name: string): string | undefined =>
  [...text.matchAll(new RegExp(`^\\s*${name}\\s*=\\s*(\\S.*?)\\s*$`, 'gm'))].at(-1)?.[1];

/** The quadlets of a config, by the path of their file. */
function quadletsOf({ nodes }: Wishes, decode: Change['decode']): Map<string, Quadlet> {
  const texts = new Map<string, string>();
  for (const [path, node] of [...nodes].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const file = path.replace(DROP_IN, '');
    if (!QUADLET.test(file) || !nodes.has(file) || node.type !== 'file' || !('bytes' in node.contents))
      continue;
    texts.set(file, `${texts.get(file) ?? ''}${decode(node.contents.bytes)}\n`);
  }
  return new Map(
    [...texts].map(([file, text]) => {
      const own = settingOf(text, 'ServiceName');
      return [file, { service: own === undefined ? (serviceByFile(file) ?? '') : `${own}.service`, text }];
    }),
  );
}

/**
 * The unit that a file of /etc/systemd/system, a quadlet or a drop-in of one belongs to. `was`: the unit of a quadlet
 * that has another ServiceName= in the new config.
 */
function unitOf(path: string, { before, after }: Planned): { readonly unit?: string; readonly was?: string } {
  const file = path.replace(DROP_IN, '');
  const was = before.get(file)?.service;
  const unit =
    /^\/etc\/systemd\/system\/([^/]+)$/.exec(file)?.[1] ??
    after.get(file)?.service ??
    was ??
    serviceByFile(file);
  if (unit === undefined) return {};
  return was === undefined || was === unit ? { unit } : { unit, was };
}

/** The unit that reads an environment file or a secret of a container. */
function consumerOf(path: string): string | undefined {
  const container = /^\/etc\/draisine\/(?:environment\/([^/]+)$|secrets\/([^/]+)\/)/.exec(path);
  const name = container?.[1] ?? container?.[2];
  return name === undefined ? undefined : `${name}.service`;
}

/** The order of actions on units, by kind. */
const SCRIPTS = ['pool', 'dataset', 'receiver'];

/** Scripts of pools, datasets and receivers may run again, because they only make missing things. */
function scriptsOf(paths: readonly string[]): Service[] {
  const found = paths.flatMap((path) => {
    const [, kind = '', name] = /^\/etc\/draisine\/([a-z]+)s\/(.+)\.sh$/.exec(path) ?? [];
    const rank = SCRIPTS.indexOf(kind);
    return rank < 0 ? [] : [{ rank, service: run(`${kind} ${name}`, '/bin/sh', path) }];
  });
  return found.sort((a, b) => a.rank - b.rank).map(({ service }) => service);
}

/**
 * Makes a network of containers anew: `podman network create --ignore`, which a quadlet runs, does not change an existing
 * network. systemd stops the units that need the network with it, and those that ran are started again. Arguments: the
 * unit and the name of the network.
 */
const REMAKE_NETWORK = `set -e
needing=$(systemctl show --property=RequiredBy --property=BoundBy --value -- "$1")
running=
for unit in $needing; do ! systemctl is-active --quiet -- "$unit" || running="$running $unit"; done
systemctl stop -- "$1"
! podman network exists "$2" || podman network rm "$2"
systemctl start -- "$1" $running`;

/** Makes the network of containers anew that a changed quadlet describes; undefined for other files and a new quadlet. */
function changedNetwork(path: string, { before, after }: Planned): Service | undefined {
  const file = path.replace(DROP_IN, '');
  const [, stem = '', kind] = QUADLET.exec(file) ?? [];
  const [was, is] = [before.get(file), after.get(file)];
  if (kind !== 'network' || was === undefined || is === undefined) return undefined;
  const name = settingOf(was.text, 'NetworkName') ?? `systemd-${stem}`;
  return run(`network ${name}`, 'sh', '-c', REMAKE_NETWORK, 'sh', is.service, name);
}

/** A template itself does not run (systemctl(1)): the pattern of its instances stands for it. */
const running = (unit: string): string => unit.replace(/@(\.[a-z]+)$/, '@*$1');

const isMasked = (unit: string, { next }: Change): boolean => next.units.get(unit)?.masked === true;

/** Whether the release starts the unit by itself. Then only a mask keeps it from running. */
const runsAnyway = (unit: string, change: Change): boolean =>
  change.release.wanted.has(unit) && !isMasked(unit, change);

/**
 * Whether a boot starts a quadlet: by its [Install] section, or with its pod. Networks, volumes and images start with
 * their containers.
 */
const isStartedAtBoot = (file: string, { text }: Quadlet): boolean =>
  !/\.(container|kube|pod)$/.test(file) || /^\s*(WantedBy|RequiredBy|UpheldBy|Pod)\s*=\s*\S/m.test(text);

/** Units that only other units start: the service of a timer, a template, the service of a socket. */
const startsByItself = (unit: string, change: Planned): boolean => {
  if (/@\.[a-z]+$/.test(unit)) return false;
  const wish = change.next.units.get(unit);
  if (isMasked(unit, change)) return false;
  if (runsAnyway(unit, change)) return true;
  // A container that its device starts (ignition/sugar/container.ts): without the device a start would wait for it.
  if (change.next.units.has(`draisine-plugged-${unit}`)) return false;
  const quadlet = [...change.after].find(([, { service }]) => service === unit);
  return quadlet ? isStartedAtBoot(...quadlet) : wish === undefined || wish.enabled === true;
};

const isMaskLink = (what: { readonly type: string; readonly target?: string }): boolean =>
  what.type === 'link' && what.target === '/dev/null';

/** The action for a unit whose file changes. */
function actionOf(step: NodeStep, unit: string, change: Planned): 'stop' | 'start' | 'restart' | undefined {
  const path = step.do === 'write' ? step.node.path : step.path;
  if (DROP_IN.test(path)) return 'restart';
  if (step.do === 'write' && isMaskLink(step.node)) return 'stop';
  // A masked unit did not run.
  if (isMaskLink(step.was))
    return runsAnyway(unit, change) || change.next.units.get(unit)?.enabled ? 'start' : undefined;
  // If the release has a unit of that name, the release's unit is used from now on.
  if (step.do === 'remove') return change.release.there.has(unit) ? 'restart' : 'stop';
  return step.was.type === 'none' && !change.release.there.has(unit) ? 'start' : 'restart';
}

/**
 * The actions on running units, in order: stop removed units, make the system read changed files, start new
 * units, restart changed ones. A unit whose files did not change is left alone.
 */
export function servicesOf(given: Change): Service[] {
  const { old, next, decode } = given;
  const change = { ...given, before: quadletsOf(old, decode), after: quadletsOf(next, decode) };
  const units = { stop: new Set<string>(), start: new Set<string>(), restart: new Set<string>() };
  const readers = new Map<string, Service>();
  const networks = new Map<string, Service>();
  const written: string[] = [];
  for (const step of change.nodes) {
    const path = step.do === 'write' ? step.node.path : step.path;
    const { unit, was } = unitOf(path, change);
    const action =
      unit === undefined ? undefined : was === undefined ? actionOf(step, unit, change) : 'start';
    const network = changedNetwork(path, change);
    if (was !== undefined) units.stop.add(was);
    if (unit !== undefined && network !== undefined) networks.set(unit, network);
    else if (unit !== undefined && action !== undefined) units[action].add(unit);
    const consumer = consumerOf(path);
    if (consumer !== undefined) units.restart.add(consumer);
    for (const service of READERS.find((reader) => reader.path.test(path))?.services ?? [])
      readers.set(JSON.stringify(service), service);
    if (step.do === 'write') written.push(path);
  }
  const { stop, start } = units;
  for (const unit of change.disable) if (!runsAnyway(unit, change)) stop.add(unit);
  for (const unit of change.enable) start.add(unit);
  // A quadlet may have moved to another file.
  const provided = new Set([...change.after.values()].map(({ service }) => service));
  const starts = [...start].filter(
    (unit) => (!stop.has(unit) || provided.has(unit)) && startsByItself(unit, change),
  );
  // The release or a person may have started the unit already, with its old file. The settings of a slice need no restart.
  const restarts = [...units.restart].filter(
    (unit) => !stop.has(unit) && !isMasked(unit, change) && !unit.endsWith('.slice'),
  );
  return [
    ...[...stop].map((unit): Service => ({ do: 'stop', unit: running(unit) })),
    ...readers.values(),
    ...scriptsOf(written),
    ...networks.values(),
    ...restarts.map((unit) => restart(running(unit), startsByItself(unit, change))),
    ...starts.map((unit): Service => ({ do: 'start', unit })),
  ];
}

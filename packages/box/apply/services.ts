import type { NodeStep } from './steps.ts';
import type { Wishes } from './wishes.ts';

/** What is done to a running unit, or a program that makes the system read a file again. */
export type Service =
  | { readonly do: 'stop' | 'start' | 'restart' | 'reload'; readonly unit: string }
  | { readonly do: 'run'; readonly argv: readonly string[]; readonly what: string };

/** Units that the release brings, of those that a config names, and those that it has running without one. */
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
}

const run = (what: string, ...argv: string[]): Service => ({ do: 'run', argv, what });

/** Which file makes which part of the system look again. The first that fits counts. */
const READERS: readonly { readonly path: RegExp; readonly services: readonly Service[] }[] = [
  {
    path: /^\/etc\/systemd\/network\/.*\.(network|netdev|link)(\.d\/.*)?$/,
    services: [run('network', 'networkctl', 'reload')],
  },
  {
    path: /^\/etc\/systemd\/networkd\.conf/,
    services: [{ do: 'restart', unit: 'systemd-networkd.service' }],
  },
  {
    path: /^\/etc\/systemd\/resolved\.conf/,
    services: [{ do: 'restart', unit: 'systemd-resolved.service' }],
  },
  {
    path: /^\/etc\/systemd\/timesyncd\.conf/,
    services: [{ do: 'restart', unit: 'systemd-timesyncd.service' }],
  },
  {
    path: /^\/etc\/systemd\/journald\.conf/,
    services: [{ do: 'restart', unit: 'systemd-journald.service' }],
  },
  { path: /^\/etc\/nftables\.conf$/, services: [{ do: 'reload', unit: 'nftables.service' }] },
  { path: /^\/etc\/ssh\//, services: [{ do: 'reload', unit: 'ssh.service' }] },
  { path: /^\/etc\/hostname$/, services: [run('host name', 'sh', '-c', 'hostname -F /etc/hostname')] },
  { path: /^\/etc\/sysctl\.d\//, services: [{ do: 'restart', unit: 'systemd-sysctl.service' }] },
  { path: /^\/etc\/modules-load\.d\//, services: [{ do: 'restart', unit: 'systemd-modules-load.service' }] },
  { path: /^\/etc\/tmpfiles\.d\//, services: [run('temporary files', 'systemd-tmpfiles', '--create')] },
  { path: /^\/etc\/udev\/rules\.d\//, services: [run('udev rules', 'udevadm', 'control', '--reload')] },
  { path: /^\/etc\/smartd\.conf$/, services: [{ do: 'restart', unit: 'smartmontools.service' }] },
];

/** The unit that a file of /etc/systemd/system or a quadlet belongs to. */
function unitOf(path: string): string | undefined {
  const own = /^\/etc\/systemd\/system\/([^/]+?)(\.d\/[^/]+\.conf)?$/.exec(path)?.[1];
  if (own !== undefined) return own;
  const quadlet =
    /^\/etc\/containers\/systemd\/([^/]+)\.(container|pod|network|volume|image|build|kube)$/.exec(path);
  if (quadlet === null) return undefined;
  const [, name = '', kind = ''] = quadlet;
  return kind === 'container' || kind === 'kube' ? `${name}.service` : `${name}-${kind}.service`;
}

/** The unit that reads a file of the sugar: an environment or a secret of a container. */
function consumerOf(path: string): string | undefined {
  const container = /^\/etc\/draisine\/(?:environment\/([^/]+)$|secrets\/([^/]+)\/)/.exec(path);
  const name = container?.[1] ?? container?.[2];
  return name === undefined ? undefined : `${name}.service`;
}

/** In the order in which they need each other. */
const SCRIPTS = ['pool', 'dataset', 'receiver'];

/** Scripts of pools, datasets and receivers can run again: they only bring about what is not so yet. */
function scriptsOf(paths: readonly string[]): Service[] {
  const found = paths.flatMap((path) => {
    const [, kind = '', name] = /^\/etc\/draisine\/([a-z]+)s\/(.+)\.sh$/.exec(path) ?? [];
    const rank = SCRIPTS.indexOf(kind);
    return rank < 0 ? [] : [{ rank, service: run(`${kind} ${name}`, '/bin/sh', path) }];
  });
  return found.sort((a, b) => a.rank - b.rank).map(({ service }) => service);
}

const isMasked = (unit: string, { next }: Change): boolean => next.units.get(unit)?.masked === true;

/** The release has it running, whatever a config says of its enablement: only a mask keeps it from that. */
const runsAnyway = (unit: string, change: Change): boolean =>
  change.release.wanted.has(unit) && !isMasked(unit, change);

/** Units that are started by others alone: a timer's service, a template, a socket's. */
const startsByItself = (unit: string, change: Change): boolean => {
  if (/@\.[a-z]+$/.test(unit)) return false;
  const wish = change.next.units.get(unit);
  if (isMasked(unit, change)) return false;
  if (runsAnyway(unit, change)) return true;
  // A quadlet is no unit of the config: its [Install] section counts, which the sugar writes.
  return wish === undefined || wish.enabled === true;
};

const isMaskLink = (what: { readonly type: string; readonly target?: string }): boolean =>
  what.type === 'link' && what.target === '/dev/null';

/** What becomes of a unit of which a file changes. */
function actionOf(step: NodeStep, unit: string, change: Change): 'stop' | 'start' | 'restart' | undefined {
  const path = step.do === 'write' ? step.node.path : step.path;
  if (path.includes(`/${unit}.d/`)) return 'restart';
  if (step.do === 'write' && isMaskLink(step.node)) return 'stop';
  // It did not run as long as it was masked.
  if (isMaskLink(step.was))
    return runsAnyway(unit, change) || change.next.units.get(unit)?.enabled ? 'start' : undefined;
  // Where the release has one of that name, that is what it is from now on.
  if (step.do === 'remove') return change.release.there.has(unit) ? 'restart' : 'stop';
  return step.was.type === 'none' && !change.release.there.has(unit) ? 'start' : 'restart';
}

/**
 * What to do with running units, in order: stop what goes, make files read again, start what is new, restart what
 * changed. A unit whose files did not change is left alone.
 */
export function servicesOf(change: Change): Service[] {
  const units = { stop: new Set<string>(), start: new Set<string>(), restart: new Set<string>() };
  const readers = new Map<string, Service>();
  const written: string[] = [];
  for (const step of change.nodes) {
    const path = step.do === 'write' ? step.node.path : step.path;
    const unit = unitOf(path);
    const action = unit === undefined ? undefined : actionOf(step, unit, change);
    if (unit !== undefined && action !== undefined) units[action].add(unit);
    const consumer = consumerOf(path);
    if (consumer !== undefined) units.restart.add(consumer);
    for (const service of READERS.find((reader) => reader.path.test(path))?.services ?? [])
      readers.set(JSON.stringify(service), service);
    if (step.do === 'write') written.push(path);
  }
  const { stop, start, restart } = units;
  for (const unit of change.disable) if (!runsAnyway(unit, change)) stop.add(unit);
  for (const unit of change.enable) start.add(unit);
  const starts = [...start].filter((unit) => !stop.has(unit) && startsByItself(unit, change));
  // One that starts may run already, by the release or by hand, with what it was before.
  const restarts = [...restart].filter((unit) => !stop.has(unit) && !isMasked(unit, change));
  return [
    ...[...stop].map((unit): Service => ({ do: 'stop', unit })),
    ...readers.values(),
    ...scriptsOf(written),
    // try-restart: what does not run stays as it is.
    ...restarts.map((unit): Service => ({ do: 'restart', unit })),
    ...starts.map((unit): Service => ({ do: 'start', unit })),
  ];
}

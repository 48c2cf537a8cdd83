import type { NodeStep } from './steps.ts';
import type { Wishes } from './wishes.ts';

/** What is done to a running unit, or a program that makes the system read a file again. */
export type Service =
  | { readonly do: 'stop' | 'start' | 'restart' | 'reload'; readonly unit: string }
  | { readonly do: 'run'; readonly argv: readonly string[]; readonly what: string };

interface Change {
  readonly nodes: readonly NodeStep[];
  readonly enable: readonly string[];
  readonly disable: readonly string[];
  readonly old: Wishes;
  readonly next: Wishes;
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
export function unitOf(path: string): string | undefined {
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

/** Units that are started by others alone: a timer's service, a template, a socket's. */
const startsByItself = (unit: string, { next }: Change): boolean => {
  if (/@\.[a-z]+$/.test(unit)) return false;
  const wish = next.units.get(unit);
  if (wish?.masked === true) return false;
  // A quadlet is no unit of the config: its [Install] section counts, which the sugar writes.
  return wish === undefined || wish.enabled === true;
};

/**
 * What to do with running units, in order: stop what goes, make files read again, start what is new, restart what
 * changed. A unit whose files did not change is left alone.
 */
export function servicesOf(change: Change): Service[] {
  const stop = new Set<string>();
  const start = new Set<string>();
  const restart = new Set<string>();
  const readers = new Map<string, Service>();
  const written: string[] = [];
  const primary = (unit: string, path: string): boolean => !path.includes(`/${unit}.d/`);
  for (const step of change.nodes) {
    const path = step.do === 'write' ? step.node.path : step.path;
    const unit = unitOf(path);
    if (unit !== undefined) {
      if (step.do === 'remove' && primary(unit, path)) stop.add(unit);
      else if (step.do === 'write' && step.node.type === 'link' && step.node.target === '/dev/null')
        stop.add(unit);
      else if (step.was.type === 'none' && primary(unit, path)) start.add(unit);
      else restart.add(unit);
    }
    const consumer = consumerOf(path);
    if (consumer !== undefined) restart.add(consumer);
    for (const service of READERS.find((reader) => reader.path.test(path))?.services ?? [])
      readers.set(JSON.stringify(service), service);
    if (step.do === 'write') written.push(path);
  }
  for (const unit of change.disable) stop.add(unit);
  for (const unit of change.enable) start.add(unit);
  const starts = [...start].filter((unit) => !stop.has(unit) && startsByItself(unit, change));
  const restarts = [...restart].filter((unit) => !stop.has(unit) && !start.has(unit));
  return [
    ...[...stop].map((unit): Service => ({ do: 'stop', unit })),
    ...readers.values(),
    ...scriptsOf(written),
    // try-restart: what does not run stays as it is.
    ...restarts.map((unit): Service => ({ do: 'restart', unit })),
    ...starts.map((unit): Service => ({ do: 'start', unit })),
  ];
}

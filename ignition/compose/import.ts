import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Failure } from '../../sdk/lib/errors.ts';
import type { SourceNode } from '../base/node.ts';
import { type Entry, pathText } from '../base/report.ts';
import { secret, type Text } from '../base/secret.ts';
import { parseYaml } from '../butane/yaml.ts';
import { machine } from '../machine.ts';
import type { ContainerNetworkOptions, ContainerOptions } from '../sugar/container-options.ts';
import type { Project } from './draft.ts';
import { interpolate, isTrue, itemsOf, type Lost, memberOf, membersOf, textOf } from './nodes.ts';
import { serviceOptions } from './service.ts';
import { toSource } from './source.ts';

/** The result of reading a compose file. */
export interface Imported {
  /** TypeScript that exports a machine; absent when the file cannot be read. */
  readonly text?: string;
  /** Options that were not taken over, with their places in the compose file. */
  readonly entries: readonly Entry[];
}

/**
 * Values of variables, from the file `.env` beside the compose file. The environment of this process is not
 * used.
 */
function variablesOf(folder: string): Map<string, string> {
  const file = join(folder, '.env');
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split(/\r?\n/) : [];
  return new Map(
    lines.flatMap((line): [string, string][] => {
      const [, name, single, double, plain = ''] =
        /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(?:'([^']*)'|"([^"]*)"|(.*?))(?:\s+#.*)?\s*$/.exec(line) ??
        [];
      return name === undefined ? [] : [[name, single ?? double ?? plain]];
    }),
  );
}

function secretsOf(root: SourceNode, lost: Lost): Map<string, Text> {
  return new Map(
    membersOf(memberOf(root, 'secrets')).flatMap(({ key, at, value }): [string, Text][] => {
      const file = textOf(memberOf(value, 'file'));
      if (file === '')
        lost(at, `the secret ${key} comes from no file: give it one, or a command, in the result`);
      return file === '' ? [] : [[key, secret({ file })]];
    }),
  );
}

function networksOf(root: SourceNode, lost: Lost): Map<string, ContainerNetworkOptions> {
  return new Map(
    membersOf(memberOf(root, 'networks')).flatMap(({ key, value }): [string, ContainerNetworkOptions][] => {
      if (key === 'default') return [];
      const subnet = textOf(memberOf(itemsOf(memberOf(memberOf(value, 'ipam'), 'config'))[0], 'subnet'));
      for (const { key: option, at, value: how } of membersOf(value)) {
        if (!['internal', 'enable_ipv6', 'ipam', 'name', 'external'].includes(option))
          lost(at, `${option} of the network ${key} is not taken over`);
        if (option === 'external' && (how.kind === 'map' || isTrue(how)))
          lost(at, `the network ${key} belongs to another file; the result makes it as well`);
      }
      return [
        [
          key,
          {
            ...(isTrue(memberOf(value, 'internal')) ? { internal: true } : {}),
            ...(isTrue(memberOf(value, 'enable_ipv6')) ? { ipv6: true } : {}),
            ...(subnet === '' ? {} : { subnet }),
          },
        ],
      ];
    }),
  );
}

function volumeOptions(root: SourceNode, lost: Lost): void {
  for (const { key, value } of membersOf(memberOf(root, 'volumes'))) {
    for (const { key: option, at } of membersOf(value)) {
      if (option !== 'name')
        lost(at, `${option} of the volume ${key} is not taken over: it is one of podman's own`);
    }
  }
}

const KNOWN = ['services', 'networks', 'volumes', 'secrets', 'version', 'name'];

/**
 * Services by name. A service with a health check that another service waits for counts as started when it is
 * healthy.
 */
function containersOf(root: SourceNode, project: Project): Map<string, ContainerOptions> {
  const containers = new Map<string, ContainerOptions>();
  for (const { key, value } of membersOf(memberOf(root, 'services'))) {
    const options = serviceOptions(key, value, project);
    if (options) containers.set(key, options);
  }
  for (const name of project.awaited) {
    const options = containers.get(name);
    if (options?.health)
      containers.set(name, { ...options, health: { ...options.health, startsWhenHealthy: true } });
  }
  return containers;
}

function render(options: object, from: string, output: string | undefined): string {
  const index = fileURLToPath(new URL('../index.ts', import.meta.url));
  const folder = output === undefined ? process.cwd() : dirname(resolve(output));
  const path = relative(folder, index);
  const body = toSource(options);
  const names = body.includes('secret(') ? 'machine, secret' : 'machine';
  return `import { ${names} } from '${path.startsWith('.') ? path : `./${path}`}';

/** Made of ${basename(from)} by: draisine ignition import */
export default machine(${body});
`;
}

/** The name of a project as Compose writes it. It becomes part of paths and of names of volumes. */
function projectName(text: string): string {
  const name = text.toLowerCase().replace(/[^a-z0-9_-]+/g, '');
  return name.replace(/^[_-]+/, '') || 'compose';
}

/** A hint for a file without services. */
function kindHint(root: SourceNode, text: string): string {
  const keys = membersOf(root).map(({ key }) => key);
  if (keys.includes('apiVersion'))
    return 'this is of Kubernetes: podman takes it as a quadlet NAME.kube, under files';
  if (keys.includes('variant')) return 'this is Butane: draisine ignition compile FILE';
  if (keys.includes('ignition')) return 'this is a config of Ignition: draisine ignition validate FILE';
  if (membersOf(root).some(({ value }) => ['image', 'build'].some((key) => memberOf(value, key))))
    return 'this is of version 1: write services: at the top, and indent the rest below it';
  return text.trim() === '' ? 'the file is empty' : 'write services: at the top, and the containers below it';
}

/**
 * Makes TypeScript of a compose file (Compose Specification): a machine that runs its services.
 * @param file path of the compose file, for its name and its .env
 * @param output path of the result: its import of this project is relative to it
 */
export function importCompose(text: string, file: string, output?: string): Imported {
  const parsed = parseYaml(text);
  const entries: Entry[] = [];
  const told = new Set<string>();
  const add = (kind: Entry['kind'], at: number, message: string): void => {
    const once = `${at} ${message}`; // services that share an anchor have one place
    if (!told.has(once)) entries.push({ kind, path: pathText([]), ...parsed.place(at), message });
    told.add(once);
  };
  const lost: Lost = (at, message) => add('warning', at, message);
  for (const { at, message } of parsed.faults) add('error', at, message);
  if (parsed.value === undefined || entries.length > 0) return { entries };
  const root = interpolate(parsed.value, variablesOf(dirname(resolve(file))), lost);
  if (membersOf(memberOf(root, 'services')).length === 0) {
    add('error', root.at, `not a compose file: it has no services; ${kindHint(root, text)}`);
    return { entries };
  }
  for (const { key, at } of membersOf(root)) {
    if (!KNOWN.includes(key) && !key.startsWith('x-')) lost(at, `${key} is not taken over`);
  }
  volumeOptions(root, lost);
  const networks = networksOf(root, lost);
  const project: Project = {
    name: projectName(textOf(memberOf(root, 'name')) || basename(dirname(resolve(file)))),
    folder: dirname(resolve(file)),
    lost,
    secrets: secretsOf(root, lost),
    networks: new Set(networks.keys()),
    folders: new Set(),
    files: new Map(),
    awaited: new Set(),
  };
  const containers = containersOf(root, project);
  const folders = [...project.folders].sort().map((path) => [path, {}]);
  const nodes = {
    ...(project.files.size > 0 ? { files: Object.fromEntries(project.files) } : {}),
    ...(folders.length > 0 ? { directories: Object.fromEntries(folders) } : {}),
  };
  const options = {
    ...nodes,
    ...(networks.size > 0 ? { containerNetworks: Object.fromEntries(networks) } : {}),
    containers: Object.fromEntries(containers),
  };
  checkResult(options, { containers, nodes }, root, lost);
  entries.sort((a, b) => a.line - b.line || a.column - b.column);
  return { text: render(options, file, output), entries };
}

/** The reason why machine() refuses options; undefined: it accepts them. */
function refusal(options: object): string | undefined {
  try {
    machine(options as Parameters<typeof machine>[0]);
    return undefined;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const where = error.where === undefined ? '' : ` (${error.where})`;
    const hint = error.hint === undefined ? '' : `; ${error.hint}`;
    return `the result does not compile yet: ${error.message}${where}${hint}`;
  }
}

/**
 * Runs machine() on the result, to report its errors with the place of a service: first each service alone, then all.
 */
function checkResult(
  options: object,
  { containers, nodes }: { containers: ReadonlyMap<string, ContainerOptions>; nodes: object },
  root: SourceNode,
  lost: Lost,
): void {
  const services = membersOf(memberOf(root, 'services'));
  let isTold = false;
  for (const { key, at } of services) {
    const { needs: _, network: __, ...alone } = containers.get(key) ?? {};
    const why = containers.has(key) ? refusal({ ...nodes, containers: { [key]: alone } }) : undefined;
    if (why !== undefined) lost(at, why);
    isTold ||= why !== undefined;
  }
  const why = isTold ? undefined : refusal(options);
  if (why === undefined) return;
  const named = /\(containers\.(.+?)\.(needs|network|pod)\b/.exec(why)?.[1];
  lost(services.find(({ key }) => key === named)?.at ?? root.at, why);
}

import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { shellWord } from '../../sdk/lib/shell.ts';
import type { SourceNode } from '../base/node.ts';
import { secret, type Text } from '../base/secret.ts';
import type { ContainerOptions, Health, PublishedPort } from '../sugar/container-options.ts';
import { type Draft, type Key, loseOthers, type Project } from './draft.ts';
import { cpus, deploy, memory, pids, shmSize, sysctls, ulimits } from './limits.ts';
import { tmpfs, volumes } from './mounts.ts';
import {
  isNull,
  isTrue,
  itemsOf,
  memberOf,
  membersOf,
  numberOf,
  pairsOf,
  textOf,
  textsOf,
  wordsOf,
} from './nodes.ts';

/** The full name of an image. A short name means Docker Hub. */
export function qualifiedImage(image: string): string {
  const [first = '', ...rest] = image.split('/');
  const hasRegistry = rest.length > 0 && /[.:]|^localhost$/.test(first);
  const name = hasRegistry ? image : `docker.io/${rest.length === 0 ? 'library/' : ''}${image}`;
  return /(:[^/]+|@[^/]+)$/.test(name) ? name : `${name}:latest`;
}

const user: Key = (value, draft, { lost }) => {
  const [name = '', group] = textOf(value).split(':');
  const number = numberOf(value, name, 'user', lost);
  if (number === undefined) return;
  draft.user = number;
  // Docker uses the group that the image has for the user, mostly the one with the user's number.
  const own = group === undefined ? undefined : numberOf(value, group, 'group', lost);
  if (own !== undefined && own !== number) draft.group = own;
};

/** The ports of a short form, one for each port of a range; undefined for any other text. */
export function portOf(text: string): PublishedPort[] | undefined {
  const [, address, host, container = '', protocol] =
    /^(?:(\[[^\]]+\]|[0-9]+(?:\.[0-9]+){3}):)?(?:([0-9]+(?:-[0-9]+)?)?:)?([0-9]+(?:-[0-9]+)?)(?:\/(tcp|udp))?$/.exec(
      text,
    ) ?? [];
  if (container === '') return undefined;
  const range = (ports: string): number[] => {
    const [from = 0, to = from] = ports.split('-').map(Number);
    return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
  };
  const inside = range(container);
  const outside = range(host ?? container);
  if (inside.length !== outside.length || inside.length === 0) return undefined;
  return outside.map((port, index) => ({
    host: port,
    ...(inside[index] === port ? {} : { container: inside[index] ?? port }),
    ...(protocol === 'udp' ? { protocol } : {}),
    ...(address === undefined ? {} : { address: address.replace(/^\[|\]$/g, '') }),
  }));
}

const ports: Key = (value, draft, { lost }) => {
  draft.ports = itemsOf(value).flatMap((item): (number | PublishedPort)[] => {
    const [target, published, host, protocol] = ['target', 'published', 'host_ip', 'protocol'].map((key) =>
      textOf(memberOf(item, key)),
    );
    const address = host?.includes(':') ? `[${host}]` : host;
    const long = `${address ? `${address}:` : ''}${published ? `${published}:` : ''}${target}/${protocol || 'tcp'}`;
    const text = item.kind === 'map' ? long : textOf(item);
    const found = portOf(text);
    if (found === undefined) lost(item.at, `the port ${text} is not understood; write { host, container }`);
    else if (!/:/.test(text.replace(/\[[^\]]*\]/, '')))
      lost(
        item.at,
        `${text} names no port of the host: the result uses the same number; check that it is free`,
      );
    return (found ?? []).map((port) => (Object.keys(port).length === 1 ? port.host : port));
  });
};

function testOf(test: SourceNode | undefined): string | undefined {
  const [kind = '', ...rest] = textsOf(test);
  if (test?.kind !== 'list') return kind || undefined;
  if (kind === 'NONE') return undefined;
  if (kind === 'CMD-SHELL') return rest.join(' ');
  return rest.map(shellWord).join(' ');
}

const SPANS = ['interval', 'timeout', 'start_period'];

const healthcheck: Key = (value, draft, { lost }) => {
  const test = memberOf(value, 'test');
  const command = testOf(test);
  if (isTrue(memberOf(value, 'disable')) || textsOf(test)[0] === 'NONE') {
    lost(value.at, 'a disabled health check is not taken over; the check of the image runs');
    return;
  }
  loseOthers(
    value,
    ['disable', 'test', 'retries', ...(command === undefined ? [] : SPANS)],
    'the health check',
    lost,
  );
  if (command === undefined) return;
  const spans = { interval: 'interval', timeout: 'timeout', startPeriod: 'start_period' } as const;
  const health: { -readonly [Name in keyof Health]: Health[Name] } = { command };
  for (const [name, key] of Object.entries(spans) as [keyof typeof spans, string][]) {
    const span = textOf(memberOf(value, key));
    if (span !== '') health[name] = span;
  }
  const tries = memberOf(value, 'retries');
  const retries = tries && numberOf(tries, textOf(tries), 'number of retries', lost);
  if (retries !== undefined) health.retries = retries;
  draft.health = health;
};

const environment: Key = (value, draft, { lost }) => {
  const named = pairsOf(value).flatMap(([key, text, at]): [string, string][] => {
    if (text === undefined)
      lost(at, `${key} has no value: Docker takes the value from your shell; write it into the result`);
    else if (/(PASSWORD|PASSWD|SECRET|TOKEN|_KEY)$/i.test(key) && text !== '')
      lost(at, `everybody can read ${key} in the result; move it into secretEnvironment`);
    return text === undefined ? [] : [[key, text]];
  });
  draft.environment = { ...draft.environment, ...Object.fromEntries(named) };
};

/** The variables of a file with quotes or comments. Compose removes them; podman takes them as parts of the values. */
function decoratedIn(path: string): string[] {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  return [...text.matchAll(/^\s*(?:export\s+)?(\w+)\s*=\s*(?:["'][^\n]*|[^\n]*\s#[^\n]*)$/gm)].map(
    ([, name = '']) => name,
  );
}

const envFile: Key = (value, draft, { folder, lost }) => {
  const files = itemsOf(value).map((item) =>
    item.kind === 'map' ? textOf(memberOf(item, 'path')) : textOf(item),
  );
  const [first, ...others] = files;
  if (first !== undefined) draft.secretEnvironment = secret({ file: first });
  const decorated = first === undefined ? [] : decoratedIn(resolve(folder, first));
  if (decorated.length > 0)
    lost(
      value.at,
      `${first} has values with quotes or comments, which podman does not remove; remove them: ${decorated.join(', ')}`,
    );
  if (others.length > 0)
    lost(value.at, `of several env_file one is taken over: join ${others.join(', ')} with ${first}`);
};

const dependsOn: Key = (value, draft, { awaited, lost }) => {
  draft.needs = value.kind === 'map' ? membersOf(value).map(({ key }) => key) : textsOf(value);
  for (const { key, value: how } of membersOf(value)) {
    const condition = textOf(memberOf(how, 'condition'));
    if (condition === 'service_healthy') awaited.add(key);
    if (condition === 'service_completed_successfully')
      lost(how.at, `${condition} of ${key} is not taken over: systemd restarts a container whenever it ends`);
  }
};

const networks: Key = (value, draft, project) => {
  const named = value.kind === 'map' ? membersOf(value).map(({ key }) => key) : textsOf(value);
  for (const { key, value: how } of membersOf(value)) {
    for (const { key: option, at } of membersOf(how))
      project.lost(
        at,
        `${option} of the network ${key} is not taken over; containers find each other by name`,
      );
  }
  const known = named.filter((name) => project.networks.has(name));
  if (known.length > 0 && known.length < named.length)
    project.lost(
      value.at,
      `${named.filter((name) => !known.includes(name)).join(', ')} beside ${known.join(', ')} is not taken over: declare a network for it`,
    );
  const [first, ...others] = known;
  if (first !== undefined) draft.network = { names: [first, ...others] };
};

const networkMode: Key = (value, draft, { lost }) => {
  const mode = textOf(value);
  if (mode === 'host' || mode === 'none' || mode === 'bridge') draft.network = mode;
  else lost(value.at, `network_mode ${mode} is not taken over; put both containers into one pod`);
};

const capability = (name: string): string =>
  (/^(CAP_|all$)/i.test(name) ? name : `CAP_${name}`).toUpperCase();

const secrets: Key = (value, draft, project) => {
  const named = itemsOf(value).flatMap((item): [string, Text][] => {
    const source = item.kind === 'map' ? textOf(memberOf(item, 'source')) : textOf(item);
    const target = textOf(memberOf(item, 'target')).replace(/^\/run\/secrets\//, '') || source;
    const found = project.secrets.get(source);
    if (found === undefined) project.lost(item.at, `the secret ${source} is not taken over; give its file`);
    return found === undefined ? [] : [[target, found]];
  });
  if (named.length > 0) draft.secrets = Object.fromEntries(named);
};

const devices: Key = (value, draft, { lost }) => {
  draft.devices = itemsOf(value).map((item) => {
    const [path = '', at = path] =
      item.kind === 'map'
        ? [textOf(memberOf(item, 'source')), textOf(memberOf(item, 'target')) || undefined]
        : textOf(item).split(':');
    loseOthers(item, ['source', 'target', 'permissions'], `the device ${path}`, lost);
    return at === path ? path : { path, at };
  });
};

/** The words of a command. Undefined for null: the image has the command (Compose Specification, 05-services.md). */
const commandOf = (value: SourceNode): string[] | undefined => {
  if (value.kind === 'list') return textsOf(value);
  return isNull(value) ? undefined : wordsOf(textOf(value));
};

const entrypoint: Key = (value, draft) => {
  const words = commandOf(value);
  if (words !== undefined) draft.entrypoint = words;
};

const command: Key = (value, draft, { lost }) => {
  const words = commandOf(value);
  if (words?.length === 0)
    lost(value.at, 'an empty command is not taken over: the words of the image follow its program');
  else if (words !== undefined) draft.command = words;
};

const restart: Key = (value, _draft, { lost }) => {
  const policy = textOf(value);
  if (!/^(always|unless-stopped|on-failure(:\d+)?)$/.test(policy))
    lost(value.at, `restart: ${policy} is not taken over: systemd restarts the container whenever it ends`);
};

const PULL: Readonly<Record<string, ContainerOptions['pull']>> = {
  always: 'always',
  missing: 'missing',
  if_not_present: 'missing',
  never: 'never',
};

const pullPolicy: Key = (value, draft, { lost }) => {
  const pull = PULL[textOf(value)];
  if (pull === undefined) lost(value.at, `pull_policy ${textOf(value)} is not taken over`);
  else draft.pull = pull;
};

const labels: Key = (value, draft) => {
  draft.labels = Object.fromEntries(pairsOf(value).map(([key, text = '']) => [key, text]));
};

const ignored: Key = () => {};

/** Keys of a service, by their counterpart in the result (Compose Specification, 05-services.md). */
const KEYS: Readonly<Record<string, Key>> = {
  image: (value, draft) => {
    const image = textOf(value).trim();
    if (image !== '') draft.image = qualifiedImage(image);
  },
  read_only: (value, draft) => {
    if (isTrue(value)) draft.readOnlyRoot = true;
  },
  group_add: (value, draft) => {
    draft.groups = textsOf(value).map((group) => (/^[0-9]+$/.test(group) ? Number(group) : group));
  },
  cap_add: (value, draft) => {
    draft.capabilities = { ...draft.capabilities, add: textsOf(value).map(capability) };
  },
  cap_drop: (value, draft) => {
    draft.capabilities = { ...draft.capabilities, drop: textsOf(value).map(capability) };
  },
  user,
  ports,
  volumes,
  healthcheck,
  environment,
  env_file: envFile,
  depends_on: dependsOn,
  networks,
  network_mode: networkMode,
  secrets,
  devices,
  tmpfs,
  mem_limit: memory,
  cpus,
  pids_limit: pids,
  shm_size: shmSize,
  ulimits,
  sysctls,
  command,
  entrypoint,
  deploy,
  restart,
  pull_policy: pullPolicy,
  labels,
  // These keys have no effect between containers of one network, or on a machine without a terminal.
  expose: ignored,
  tty: ignored,
  stdin_open: ignored,
};

/**
 * The options of a service; undefined for a service without an image. Reports options that are not taken
 * over.
 */
export function serviceOptions(
  name: string,
  service: SourceNode,
  project: Project,
): ContainerOptions | undefined {
  const { lost } = project;
  const draft: Draft = {};
  for (const { key, at, value } of membersOf(service)) {
    if (key.startsWith('x-')) continue;
    const read = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
    if (read) read(value, draft, project);
    else if (key === 'container_name' && textOf(value) !== name)
      lost(
        at,
        `container_name ${textOf(value)} is not taken over: the container is called ${name}, and others reach it by that`,
      );
    else if (key === 'extends')
      lost(at, `extends of ${name} is not taken over: write the keys of that service into ${name}`);
    else if (key !== 'container_name' && textOf(value) !== 'false')
      lost(at, `${key} of ${name} is not taken over: containers have no such option`);
  }
  const { image, network, ports: published = [] } = draft;
  if ((network === 'host' || network === 'none') && published.length > 0) {
    delete draft.ports;
    lost(
      memberOf(service, 'ports')?.at ?? service.at,
      `ports of ${name} are not taken over: with network_mode ${network} nothing is published`,
    );
  }
  if (image === undefined) {
    lost(service.at, `${name} has no image and is left out: build it elsewhere, push it, and name it`);
    return undefined;
  }
  return { image, ...draft };
}

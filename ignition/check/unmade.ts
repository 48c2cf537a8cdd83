import { dataOf } from '../base/data-url.ts';
import { isObject, type JsonObject } from '../json/value.ts';

/*
 * Folders of the machine that containers mount, and that nothing makes. podman does not start such a container, and does
 * not make the folder: a wrong path would then hide the data (podman issue 10471).
 */

/** Places of the owner on the state partition. Below them a new machine has only what its config makes. */
const OF_OWNER = /^\/(srv|opt|home|var\/lib)\/./;
/** Folders there that programs of the image make. */
const OF_IMAGE =
  /^\/var\/lib\/(chrony|containers|dbus|draisine|misc|nfs|polkit-1|private|samba|smartmontools|systemd)(\/|$)/;

/** Whether a path is there only if the config, or a person, makes it. */
export const isOwners = (path: string): boolean => OF_OWNER.test(path) && !OF_IMAGE.test(path);

/** A script or a list of tmpfiles.d(5) is small. */
const TEXT_MAX = 65_536;

const items = (holder: unknown, list: string): readonly JsonObject[] => {
  const value = isObject(holder) ? holder[list] : undefined;
  return Array.isArray(value) ? value.filter(isObject) : [];
};
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

const isQuadlet = (path: string): boolean => path.startsWith('/etc/containers/systemd/');

/** The text of a file that the config contains; empty for a secret, a URL and packed contents. */
function textOf({ contents }: JsonObject): string {
  const { source, compression } = isObject(contents) ? contents : {};
  if (typeof source !== 'string' || source.length > TEXT_MAX || text(compression) !== '') return '';
  return dataOf(source)?.toString('utf8') ?? '';
}

/** The paths that a config makes, and the places below which its mounts, links and programs may make others. */
interface Made {
  readonly nodes: readonly string[];
  readonly below: readonly string[];
  /** Texts of units, scripts and other files. A path that one of them names may be made by it. */
  readonly texts: readonly string[];
}

function madeBy(config: JsonObject, mounted: readonly string[]): Made {
  const { storage, systemd, passwd } = config;
  const paths = (list: string): string[] => items(storage, list).map(({ path }) => text(path));
  const homes = items(passwd, 'users').map(({ name, homeDir }) => text(homeDir) || `/home/${text(name)}`);
  const units = items(systemd, 'units').flatMap((unit) => [
    text(unit.contents),
    ...items(unit, 'dropins').map(({ contents }) => text(contents)),
  ]);
  const values = (pattern: RegExp): string[] =>
    units.flatMap((unit) => [...unit.matchAll(pattern)].flatMap(([, value = '']) => value.split(/\s+/)));
  return {
    nodes: [...paths('files'), ...paths('directories'), ...homes],
    below: [
      ...[...mounted, ...paths('links'), ...paths('filesystems'), ...values(/^Where=(.*)$/gm)],
      ...values(/^StateDirectory=(.*)$/gm).map((name) => `/var/lib/${name}`),
    ],
    texts: [
      ...units,
      ...items(storage, 'files').flatMap((file) => (isQuadlet(text(file.path)) ? [] : [textOf(file)])),
    ],
  };
}

/**
 * Of some paths of the machine, those that nothing in a config makes.
 * @param mounted paths of file systems that the config does not show, such as datasets
 */
export function unmadePaths(
  config: JsonObject,
  wanted: readonly string[],
  mounted: readonly string[] = [],
): string[] {
  const candidates = wanted.map((path) => path.replace(/\/+$/, '')).filter(isOwners);
  if (candidates.length === 0) return [];
  const { nodes, below, texts } = madeBy(config, mounted);
  return candidates.filter(
    (path) =>
      !nodes.some((node) => node === path || node.startsWith(`${path}/`)) &&
      !below.some((place) => place !== '' && `${path}/`.startsWith(`${place.replace(/\/+$/, '')}/`)) &&
      !texts.some((each) => each.includes(path)),
  );
}

/** Paths of the machine in a quadlet: `Volume=/srv/a:/a`, `Mount=type=bind,source=/srv/a,…`. */
const mountsOf = (quadlet: string): string[] =>
  [...quadlet.matchAll(/^\s*(?:Volume\s*=\s*|Mount\s*=.*?\b(?:source|src)=)(\/[^:,\s%]+)(?=[:,\s]|$)/gm)].map(
    ([, path = '']) => path,
  );

/** The quadlets of a config with the paths that they mount and that nothing makes. */
export function unmadeMounts(config: JsonObject): { readonly index: number; readonly path: string }[] {
  return items(config.storage, 'files').flatMap((file, index) => {
    const isContainer = isQuadlet(text(file.path)) && text(file.path).endsWith('.container');
    const wanted = isContainer ? mountsOf(textOf(file)) : [];
    return unmadePaths(config, wanted).map((path) => ({ index, path }));
  });
}

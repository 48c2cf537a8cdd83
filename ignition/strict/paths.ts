import { existsSync, lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { join, posix } from 'node:path';
import { errorCode } from '../../sdk/lib/errors.ts';
import type { Step } from '../base/step.ts';
import type { Json, JsonObject } from '../json/value.ts';
import { member, structs, textOf } from './contents.ts';
import type { Finding } from './finding.ts';
import { type ImageView, imageFile } from './image.ts';

/**
 * Compares the paths of a config with each other, and with the files that the machine has before Ignition
 * writes: /etc and the homes.
 */

type List = 'files' | 'directories' | 'links';

interface ConfigNode {
  readonly list: List;
  readonly path: string;
  readonly at: readonly Step[];
  readonly node: JsonObject;
}

function nodesOf(config: JsonObject): ConfigNode[] {
  return (['files', 'directories', 'links'] as const).flatMap((list) =>
    structs(member(config.storage, list)).map((node, index) => ({
      list,
      path: textOf(node.path),
      at: ['storage', list, index, 'path'],
      node,
    })),
  );
}

/** A user of the config, and the path of its entry. */
export interface Account {
  readonly name: string;
  readonly home: string;
  readonly at: readonly Step[];
  readonly user: JsonObject;
}

/** The accounts of a config with their homes. Without `homeDir` it is /home/NAME (useradd(8)). */
export function accountsOf(config: JsonObject): Account[] {
  return structs(member(config.passwd, 'users')).map((user, index) => {
    const name = textOf(user.name);
    const home = textOf(user.homeDir) || (name === 'root' ? '/root' : `/home/${name}`);
    return { name, home, at: ['passwd', 'users', index], user };
  });
}

interface Present {
  readonly kind: 'a file' | 'a folder' | 'a link';
  readonly target?: string;
  /** The owner of the file, for messages. */
  readonly by: string;
}

/** The kind of the node; undefined if there is none, for example below a file. */
function statAt(file: string): Stats | undefined {
  try {
    return lstatSync(file, { throwIfNoEntry: false });
  } catch (error) {
    if (errorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

function presentAt(file: string, by: string): Present | undefined {
  const stat = statAt(file);
  if (stat === undefined) return undefined;
  if (stat.isSymbolicLink()) return { kind: 'a link', target: readlinkSync(file), by };
  return { kind: stat.isDirectory() ? 'a folder' : 'a file', by };
}

/**
 * The node at a path before Ignition writes: in the image's /etc, or copied from /etc/skel into a new home.
 */
function before(path: string, image: ImageView, accounts: readonly Account[]): Present | undefined {
  if (path.startsWith('/etc/')) return presentAt(imageFile(image, path), `the image ${image.name}`);
  const skeleton = imageFile(image, '/etc/skel');
  const owner = accounts.find(({ home, name }) => name !== 'root' && path.startsWith(`${home}/`));
  if (!owner || owner.user.noCreateHome === true || !existsSync(skeleton)) return undefined;
  const below = path.slice(owner.home.length + 1);
  const copied = readdirSync(skeleton).includes(below.split('/')[0] ?? '');
  return copied ? presentAt(join(skeleton, below), 'useradd, from /etc/skel,') : undefined;
}

/** Whether Ignition 2.14 replaces an existing node (docs/operator-notes.md, "overwrite"). */
function passes({ list, node }: ConfigNode, { kind, target }: Present): boolean {
  if (node.overwrite === true) return true;
  if (list === 'directories') return kind === 'a folder';
  if (list === 'links') return kind === 'a link' && node.hard !== true && target === textOf(node.target);
  return kind === 'a file' && member(node.contents, 'source') === undefined;
}

/** Nodes whose path is taken, without the right to replace: Ignition fails there, and so does the boot. */
function occupied(nodes: readonly ConfigNode[], image: ImageView, accounts: readonly Account[]): Finding[] {
  return nodes.flatMap((each): Finding[] => {
    const there = before(each.path, image, accounts);
    if (there === undefined || passes(each, there)) return [];
    const message = `${there.by} has ${there.kind} at ${each.path} and overwrite is false, which stops the boot; write overwrite: true`;
    return [{ kind: 'error', path: each.at, message }];
  });
}

/**
 * Nodes below a path that is a file, in the config or in the image: a file cannot be a folder as well
 * (coreos/ignition#1457).
 */
function belowFiles(nodes: readonly ConfigNode[], image: ImageView, accounts: readonly Account[]): Finding[] {
  const files = new Set(nodes.filter(({ list }) => list === 'files').map(({ path }) => path));
  const made = new Set(nodes.map(({ path }) => path));
  const isFile = (path: string): string | undefined => {
    if (files.has(path)) return 'this config';
    const there = made.has(path) ? undefined : before(path, image, accounts);
    return there?.kind === 'a file' ? there.by : undefined;
  };
  return nodes.flatMap(({ path, at }): Finding[] => {
    for (let above = posix.dirname(path); above !== '/' && above !== '.'; above = posix.dirname(above)) {
      const owner = isFile(above);
      if (owner === undefined) continue;
      const message = `${above} is a file of ${owner} and cannot hold ${path}, which stops the boot; rename one of them`;
      return [{ kind: 'error', path: at, message }];
    }
    return [];
  });
}

/** Links to files of /usr that the image does not have, such as a time zone. Nobody can add them there. */
function leadNowhere(nodes: readonly ConfigNode[], image: ImageView): Finding[] {
  return nodes.flatMap(({ list, path, at, node }): Finding[] => {
    const target = posix.resolve(posix.dirname(path), textOf(node.target));
    if (list !== 'links' || node.hard === true || !target.startsWith('/usr/')) return [];
    if (statAt(imageFile(image, target)) !== undefined) return [];
    const why =
      path === '/etc/localtime' ? ': the clock shows UTC, and no container with this zone starts' : '';
    return [{ path: at, message: `${path} leads to ${target}, which the image does not have${why}` }];
  });
}

const isOwnedBy = (node: JsonObject, { name, user }: Account): boolean => {
  const owner: Json | undefined = node.user;
  const id = member(owner, 'id');
  return textOf(member(owner, 'name')) === name || (id !== undefined && id === user.uid);
};

/** Finds folders between a home and a file of the user in it that Ignition would make for root. */
function rootsParents(nodes: readonly ConfigNode[], accounts: readonly Account[]): Finding[] {
  const written = new Set(nodes.map(({ path }) => path));
  return nodes.flatMap(({ path, at, node }): Finding[] => {
    const owner = accounts.find(({ home }) => path.startsWith(`${home}/`));
    if (!owner || owner.name === 'root' || !isOwnedBy(node, owner)) return [];
    const parents: string[] = [];
    for (let above = posix.dirname(path); above.startsWith(`${owner.home}/`); above = posix.dirname(above)) {
      if (!written.has(above)) parents.unshift(above);
    }
    if (parents.length === 0) return [];
    const them = parents.join(', ');
    const message = `${path} belongs to ${owner.name}, but Ignition makes ${them} on the way, for root; list ${parents.length === 1 ? 'it' : 'them'} in directories with the same user and group`;
    return [{ path: at, message }];
  });
}

/** Nodes of a config that make the boot fail, that lead nowhere, or that end up with the wrong owner. */
export function checkPaths(config: JsonObject, image: ImageView): Finding[] {
  const nodes = nodesOf(config);
  const accounts = accountsOf(config);
  return [
    ...occupied(nodes, image, accounts),
    ...belowFiles(nodes, image, accounts),
    ...leadNowhere(nodes, image),
    ...rootsParents(nodes, accounts),
  ];
}

import { cleanPath } from '../base/clean-path.ts';
import { dataUrl } from '../base/data-url.ts';
import { readTree, type TreeNode } from '../base/local-files.ts';
import type { Step } from '../base/step.ts';
import { isObject, type JsonObject } from '../json/value.ts';
import { attempt, type Context, listOf } from './desugar.ts';

/** Folders of the config's folder that become files, links and directories (`storage.trees`). */

type Nodes = {
  readonly files: JsonObject[];
  readonly directories: JsonObject[];
  readonly links: JsonObject[];
};

/** Path below `storage` of a part that came from a tree; absent if the tree is not there. */
type Placed = readonly Step[] | undefined;

/** Owner and modes that a tree sets for all its files and folders. */
function ownerOf({ user, group }: JsonObject): JsonObject {
  return { ...(user === undefined ? {} : { user }), ...(group === undefined ? {} : { group }) };
}

function placeFile(
  node: Extract<TreeNode, { kind: 'file' }>,
  path: string,
  tree: JsonObject,
  nodes: Nodes,
): Placed {
  const existing = nodes.files.find((file) => file.path === path);
  const index = existing ? nodes.files.indexOf(existing) : nodes.files.length;
  const contents = isObject(existing?.contents) ? existing.contents : {};
  if (contents.source) return undefined;
  nodes.files[index] = {
    path,
    mode: tree.fileMode ?? (node.executable ? 0o755 : 0o644),
    ...ownerOf(tree),
    ...existing,
    contents: { ...contents, source: dataUrl(node.contents), compression: contents.compression ?? '' },
  };
  return existing ? ['files', index, 'contents'] : ['files', index];
}

function placeLink(
  node: Extract<TreeNode, { kind: 'link' }>,
  path: string,
  tree: JsonObject,
  nodes: Nodes,
): Placed {
  const existing = nodes.links.find((link) => link.path === path);
  if (existing?.target) return undefined;
  const index = existing ? nodes.links.indexOf(existing) : nodes.links.length;
  nodes.links[index] = { path, ...ownerOf(tree), ...existing, target: node.target };
  return existing ? ['links', index, 'target'] : ['links', index];
}

/**
 * A folder is in the config only if the tree sets its mode or owner: Ignition makes all others on the way.
 */
function placeFolder(path: string, tree: JsonObject, nodes: Nodes): Placed {
  const { dirMode } = tree;
  const index = nodes.directories.findIndex((directory) => directory.path === path);
  const says = { ...(dirMode === undefined ? {} : { mode: dirMode }), ...ownerOf(tree) };
  if (index >= 0) nodes.directories[index] = { ...says, ...nodes.directories[index] };
  else nodes.directories.push({ path, ...says });
  return ['directories', index >= 0 ? index : nodes.directories.length - 1];
}

const LISTS = { file: 'files', link: 'links', folder: 'directories' } as const;

function placeNode(node: TreeNode, path: string, tree: JsonObject, nodes: Nodes): Placed {
  const others = Object.entries(nodes).filter(([list]) => list !== LISTS[node.kind]);
  if (others.some(([, list]) => list.some((other) => other.path === path))) return undefined;
  if (node.kind === 'file') return placeFile(node, path, tree, nodes);
  return node.kind === 'link' ? placeLink(node, path, tree, nodes) : placeFolder(path, tree, nodes);
}

function addTree(tree: JsonObject, at: readonly Step[], nodes: Nodes, context: Context): void {
  if (!tree.local) {
    context.error(at, 'local is required; name a folder beside the config');
    return;
  }
  const found = attempt(context, at, () => readTree(context.folder, String(tree.local))) ?? [];
  const base = cleanPath(String(tree.path || '/'));
  const saysFolders = [tree.dirMode, tree.user, tree.group].some((value) => value !== undefined);
  const all: TreeNode[] = [...(base === '/' ? [] : [{ path: '.', kind: 'folder' as const }]), ...found];
  for (const node of all.filter(({ kind }) => kind !== 'folder' || saysFolders)) {
    const path = cleanPath(`${base}/${node.path}`);
    const placed = placeNode(node, path, tree, nodes);
    if (placed) context.alias(['storage', ...placed], at);
    else context.error(at, `${path} has contents or another type in the config already; remove one`);
  }
}

/** Trees become files, links and, if the tree sets their mode or owner, directories. */
export function addTrees(config: JsonObject, context: Context): JsonObject {
  if (!isObject(config.storage)) return config;
  const { trees, ...storage } = config.storage;
  const nodes: Nodes = {
    files: listOf(storage.files),
    directories: listOf(storage.directories),
    links: listOf(storage.links),
  };
  for (const [index, tree] of listOf(trees).entries())
    addTree(tree, ['storage', 'trees', index], nodes, context);
  const lists = Object.entries(nodes).filter(([, list]) => list.length > 0);
  return { ...config, storage: { ...storage, ...Object.fromEntries(lists) } };
}

import { keyOf, layoutIn, POOLS, storageScript } from '../settings/storage.ts';
import type { Accounts, Actual } from './actual.ts';
import { digestOf, isAsWished } from './actual.ts';
import { type ReleaseUnits, type Service, servicesOf } from './services.ts';
import type { NodeStep } from './steps.ts';
import { isKept, type NodeWish, type UserWish, type Wishes } from './wishes.ts';

export type { NodeStep } from './steps.ts';

/** A difference between the machine and its config: somebody changed it by hand. */
export interface Drift {
  readonly path: string;
  readonly what: string;
  /** True if the new config changes it as well. A person must then choose. */
  readonly conflict: boolean;
}

/** A change of a user or group. */
export type AccountStep =
  | {
      readonly do: 'group-add' | 'group-remove';
      readonly name: string;
      readonly gid: number | undefined;
      readonly system: boolean;
    }
  | { readonly do: 'user-add'; readonly user: UserWish }
  /** `was`: the account in the old config. */
  | { readonly do: 'user-change'; readonly user: UserWish; readonly was: UserWish | undefined }
  | { readonly do: 'user-remove'; readonly name: string };

/** A change that only a first boot can make, and a hint. */
export interface Refusal {
  readonly what: string;
  readonly hint: string;
}

/** The changes of an apply, its refusals, and the things that it leaves. */
export interface Plan {
  readonly accounts: readonly AccountStep[];
  readonly nodes: readonly NodeStep[];
  /** Units that become enabled or disabled. */
  readonly enable: readonly string[];
  readonly disable: readonly string[];
  /** Units that stay enabled, but for other targets than before. */
  readonly reenable: readonly string[];
  readonly services: readonly Service[];
  readonly drift: readonly Drift[];
  readonly refusals: readonly Refusal[];
  /** Data that the config no longer names, with the commands that would remove it. An apply does not remove it. */
  readonly left: readonly { readonly what: string; readonly command: string }[];
}

/** The state of the box before the apply. */
export interface Circumstances {
  readonly actual: ReadonlyMap<string, Actual>;
  readonly accounts: Accounts;
  /**
   * Digests of the last applied files, by path. They are needed where the config has a URL without a hash.
   */
  readonly applied: ReadonlyMap<string, string>;
  readonly release: ReleaseUnits;
  /** Folders that the new config does not name but still needs, with the owner and mode that they get. */
  readonly folders: ReadonlyMap<string, NodeWish>;
  /** Paths on which changes by hand are kept, or are overwritten. */
  readonly keepTheirs: ReadonlySet<string>;
  readonly takeMine: ReadonlySet<string>;
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a === b || (a.length === b.length && a.every((byte, at) => byte === b[at]));

/** Compares bytes without making text of them, because a config may have megabytes and the machine may be slow. */
function sameWish(a: NodeWish | undefined, b: NodeWish | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined) return false;
  if (a.type !== 'file' || b.type !== 'file') return JSON.stringify(a) === JSON.stringify(b);
  const { contents: mine, ...one } = a;
  const { contents: theirs, ...other } = b;
  if (JSON.stringify(one) !== JSON.stringify(other)) return false;
  if ('bytes' in mine && 'bytes' in theirs)
    return (
      isKept(mine) === isKept(theirs) && mine.gzip === theirs.gzip && sameBytes(mine.bytes, theirs.bytes)
    );
  return JSON.stringify(mine) === JSON.stringify(theirs);
}

function expectedDigest(node: NodeWish, { applied }: Circumstances): string | undefined {
  return node.type === 'file' ? (digestOf(node.contents) ?? applied.get(node.path)) : undefined;
}

/**
 * Whether the contents of a file in the new config differ from the old config and are unknown until they are fetched or
 * unpacked.
 */
const isUnseen = (node: NodeWish, old: Wishes): boolean =>
  node.type === 'file' &&
  !isKept(node.contents) &&
  digestOf(node.contents) === undefined &&
  !sameWish(old.nodes.get(node.path), node);

function describe(actual: Actual): string {
  if (actual.type === 'none') return 'it is gone';
  return actual.type === 'other' ? 'something else is there' : `the ${actual.type} is not as it was`;
}

/** For each path of the old config: whether the node still matches it. */
function driftOf(old: Wishes, next: Wishes, given: Circumstances): Drift[] {
  return [...old.nodes.values()].flatMap((node): Drift[] => {
    const actual = given.actual.get(node.path) ?? { type: 'none' };
    if (isAsWished(node, actual, given.accounts, expectedDigest(node, given))) return [];
    const wish = next.nodes.get(node.path);
    const settled = given.keepTheirs.has(node.path) || given.takeMine.has(node.path);
    // A person has already made the change of the new config.
    const agreed = wish
      ? !isUnseen(wish, old) && isAsWished(wish, actual, given.accounts, expectedDigest(wish, given))
      : actual.type === 'none';
    if (agreed) return [];
    const conflict = !settled && !sameWish(node, wish);
    return [{ path: node.path, what: describe(actual), conflict }];
  });
}

const isHard = (node: NodeWish): node is Extract<NodeWish, { type: 'link' }> =>
  node.type === 'link' && node.hard;

function nodeSteps(old: Wishes, next: Wishes, drift: readonly Drift[], given: Circumstances): NodeStep[] {
  const drifted = new Set(drift.map(({ path }) => path));
  const theirs = (path: string): boolean =>
    given.keepTheirs.has(path) || (drifted.has(path) && !given.takeMine.has(path));
  const none: Actual = { type: 'none' };
  const written = [...next.nodes.values(), ...given.folders.values()].flatMap((node): NodeStep[] => {
    const was = given.actual.get(node.path) ?? none;
    const unchanged = sameWish(old.nodes.get(node.path), node) && !given.takeMine.has(node.path);
    if (unchanged || theirs(node.path)) return [];
    if (!isUnseen(node, old) && isAsWished(node, was, given.accounts, expectedDigest(node, given))) return [];
    return [{ do: 'write', node, was }];
  });
  const renewed = new Set(written.map(pathOf));
  // A hard link to a file that is written anew would stay a name of the old file.
  const linked = [...next.nodes.values()].flatMap((node): NodeStep[] => {
    const stale = isHard(node) && renewed.has(node.target) && !renewed.has(node.path) && !theirs(node.path);
    return stale ? [{ do: 'write', node, was: given.actual.get(node.path) ?? none }] : [];
  });
  const removed = [...old.nodes.values()].flatMap((node): NodeStep[] => {
    const was = given.actual.get(node.path) ?? none;
    // Without the key, the data of a dataset that the config no longer names would be lost.
    const isKey = keyOf(node.path) !== undefined && node.type === 'file';
    const stays = next.nodes.has(node.path) || given.folders.has(node.path) || isKey;
    if (stays || was.type === 'none' || theirs(node.path)) return [];
    return [{ do: 'remove', path: node.path, was }];
  });
  // A new folder comes before its contents, a removed folder after them, and a hard link after the file.
  const depth = (path: string): number => path.split('/').length;
  const order = (step: NodeStep): number =>
    depth(pathOf(step)) + (step.do === 'write' && isHard(step.node) ? 10_000 : 0);
  return [
    ...removed.sort((a, b) => depth(pathOf(b)) - depth(pathOf(a))),
    ...[...written, ...linked].sort((a, b) => order(a) - order(b)),
  ];
}

/** The path that a step changes. */
export const pathOf = (step: NodeStep): string => (step.do === 'write' ? step.node.path : step.path);

/** An account without any settings. */
const unsaid = (name: string): UserWish => ({
  ...{ name, uid: undefined, comment: undefined, home: undefined, shell: undefined, primaryGroup: undefined },
  ...{ groups: [], passwordHash: undefined, system: false, createHome: true, userGroup: true, keys: [] },
});

/** A user's own group. useradd(8) makes it if no other group is primary. usermod(8) does not make or remove it. */
const hasOwnGroup = (user: UserWish | undefined): boolean =>
  user !== undefined && user.name !== 'root' && user.userGroup && user.primaryGroup === undefined;

function accountSteps(old: Wishes, next: Wishes, { accounts }: Circumstances): AccountStep[] {
  const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
  const groups = [...next.groups.values()].filter(({ name }) => !old.groups.has(name));
  // Ignition removes them on a first boot, whoever has made them.
  const unwanted = next.absent.users.filter(
    (name) => name !== 'root' && !old.users.has(name) && accounts.uid(name) !== undefined,
  );
  const nobodys = next.absent.groups
    .filter((name) => !old.groups.has(name) && accounts.gid(name) !== undefined)
    .filter((name) => !unwanted.includes(name)) // userdel(8) removes the user's own group
    .map((name) => ({ name, gid: undefined, system: false }));
  const gone = [...[...old.groups.values()].filter(({ name }) => !next.groups.has(name)), ...nobodys];
  // root is changed, but never made or removed.
  const root = old.users.has('root') && !next.users.has('root') ? [unsaid('root')] : [];
  const users = [...next.users.values(), ...root].filter((user) => !same(old.users.get(user.name), user));
  const leaving = [
    ...[...old.users.keys()].filter((name) => !next.users.has(name) && name !== 'root'),
    ...unwanted,
  ];
  const staying = users.filter(({ name }) => old.users.has(name));
  const own = ({ name, uid }: UserWish) => ({ name, gid: uid, system: false });
  const comes = staying.filter((user) => hasOwnGroup(user) && !hasOwnGroup(old.users.get(user.name)));
  const goes = staying.filter((user) => !hasOwnGroup(user) && hasOwnGroup(old.users.get(user.name)));
  return [
    ...[...groups, ...comes.map(own)].map((group): AccountStep => ({ do: 'group-add', ...group })),
    ...users.map(
      (user): AccountStep =>
        // As on a first boot: an existing user is changed. A person may have made or removed it.
        user.name === 'root' || accounts.uid(user.name) !== undefined
          ? { do: 'user-change', user, was: old.users.get(user.name) }
          : { do: 'user-add', user },
    ),
    ...leaving.map((name): AccountStep => ({ do: 'user-remove', name })),
    ...[...gone, ...goes.map(own)].map((group): AccountStep => ({ do: 'group-remove', ...group })),
  ];
}

/**
 * Files have numbers as owners: after a change of a number they would belong to nobody, or to another
 * account.
 */
function numberRefusals(next: Wishes, { accounts }: Circumstances): Refusal[] {
  const changed = (
    what: string,
    name: string,
    is: number | undefined,
    wanted: number | undefined,
  ): Refusal[] =>
    is === undefined || wanted === undefined || is === wanted
      ? []
      : [
          {
            what: `the number of ${what} ${name} changes from ${is} to ${wanted}, and its files would keep the old one`,
            hint: `keep ${is} in the config; or change it by hand with all its files (${what}mod, chown), then apply`,
          },
        ];
  return [
    ...[...next.users.values()].flatMap(({ name, uid }) => changed('user', name, accounts.uid(name), uid)),
    ...[...next.groups.values()].flatMap(({ name, gid }) => changed('group', name, accounts.gid(name), gid)),
  ];
}

const HINTS: Readonly<Record<string, string>> = {
  kernelArguments:
    'change them in the boot menu’s entry, or reset the machine with this config: draisine reset',
};

function refusalsOf(old: Wishes, next: Wishes): Refusal[] {
  const names = new Set([...old.firstBoot.keys(), ...next.firstBoot.keys()]);
  return [...names]
    .filter((name) => old.firstBoot.get(name) !== next.firstBoot.get(name))
    .map((name) => ({
      what: `${name} changes, which only a first boot acts on`,
      hint:
        HINTS[name] ??
        'change disks by hand, then give the config that says so; or reset the machine: draisine reset',
    }));
}

/** The line with a pool's layout in its script (ignition/sugar/zpool.ts writes it). */
function layoutOf(node: NodeWish | undefined, decode: (bytes: Uint8Array) => string): string | undefined {
  if (node?.type !== 'file' || !('bytes' in node.contents)) return undefined;
  return layoutIn(decode(node.contents.bytes));
}

function poolRefusals(old: Wishes, next: Wishes, decode: (bytes: Uint8Array) => string): Refusal[] {
  return [...next.nodes].flatMap(([path, node]): Refusal[] => {
    const before = layoutOf(old.nodes.get(path), decode);
    const after = layoutOf(node, decode);
    if (before === undefined || after === undefined || before === after) return [];
    const pool = path.slice(path.lastIndexOf('/') + 1).replace(/\.sh$/, '');
    return [
      {
        what: `the layout of pool ${pool} changes: ${before} → ${after}`,
        hint: `change the pool by hand (zpool add, attach, replace), then apply the config with --take-mine ${path}`,
      },
    ];
  });
}

/** A dataset that exists keeps its key, or stays without encryption, whatever files the config brings. */
function keyRefusals(steps: readonly NodeStep[], old: Wishes): Refusal[] {
  return steps.flatMap((step): Refusal[] => {
    const [path, dataset] = [pathOf(step), keyOf(pathOf(step))];
    if (dataset === undefined || step.do !== 'write' || step.node.type !== 'file') return [];
    if (step.was.type === 'none' && old.nodes.has(storageScript(dataset)))
      return [
        {
          what: `${dataset} gets a key, but encryption begins only when a dataset is made: its data would not be encrypted`,
          hint: `make a dataset of another name and copy the data; or, if it is encrypted already: --take-mine ${path}`,
        },
      ];
    if (step.was.type !== 'file' || digestOf(step.node.contents) === step.was.digest) return [];
    return [
      {
        what: `the key of ${dataset} changes, but the data would keep the old one, and nobody could open it after a restart`,
        hint: `on the machine, write the new key to ${path} and run zfs change-key ${dataset}, then apply the config with --take-mine ${path}`,
      },
    ];
  });
}

/** Recognizes the config of another machine: its host name differs, and so do its disks or pools. */
function otherMachine(
  old: Wishes,
  next: Wishes,
  given: Circumstances,
  decode: (bytes: Uint8Array) => string,
): Refusal[] {
  const nameIn = (wishes: Wishes): string | undefined => {
    const node = wishes.nodes.get('/etc/hostname');
    return node?.type === 'file' && 'bytes' in node.contents ? decode(node.contents.bytes).trim() : undefined;
  };
  const [before, after] = [nameIn(old), nameIn(next)];
  const storage = ({ nodes, firstBoot }: Wishes): string =>
    JSON.stringify([[...firstBoot], [...nodes.keys()].filter((path) => path.startsWith(`${POOLS}/`)).sort()]);
  if (before === undefined || after === undefined || before === after || storage(old) === storage(next))
    return [];
  if (given.takeMine.has('/etc/hostname')) return [];
  return [
    {
      what: `the config is of the machine ${after}, with other disks or pools, and this one is ${before}`,
      hint: 'if it is meant: --take-mine /etc/hostname',
    },
  ];
}

/** A transfer holds snapshots that are not sent yet (packages/box/replicate). zfs destroy refuses held snapshots. */
function heldBy(
  path: string,
  node: NodeWish,
  decode: (bytes: Uint8Array) => string,
): { what: string; command: string } | undefined {
  const name = /^\/etc\/draisine\/replicate\/(.+)\.json$/.exec(path)?.[1];
  if (name === undefined || node.type !== 'file' || !('bytes' in node.contents)) return undefined;
  const dataset = /"dataset":\s*"([^"]+)"/.exec(decode(node.contents.bytes))?.[1];
  if (dataset === undefined) return undefined;
  return {
    what: `snapshots of ${dataset} that the transfer ${name} made, and those of them that it holds`,
    command: `zfs list -H -t snapshot -o name ${dataset} | grep @replicate-${name}- | while read -r one; do zfs release replicate-${name} $one; zfs destroy $one; done`,
  };
}

/** Data that the old config made and the new one does not name. An apply never removes it. */
function leftOver(
  old: Wishes,
  next: Wishes,
  decode: (bytes: Uint8Array) => string,
): { what: string; command: string }[] {
  return [...old.nodes].flatMap(([path, node]) => {
    if (next.nodes.has(path)) return [];
    const sent = heldBy(path, node, decode);
    if (sent !== undefined) return [sent];
    const key = keyOf(path);
    if (key !== undefined && node.type === 'file') return [{ what: `key of ${key}`, command: `rm ${path}` }];
    const dataset = /^\/etc\/draisine\/datasets\/(.+)\.sh$/.exec(path)?.[1];
    if (dataset !== undefined) return [{ what: `dataset ${dataset}`, command: `zfs destroy -r ${dataset}` }];
    const pool = /^\/etc\/draisine\/pools\/(.+)\.sh$/.exec(path)?.[1];
    // Its unit exports it.
    if (pool !== undefined)
      return [{ what: `pool ${pool}`, command: `zpool import ${pool}; zpool destroy ${pool}` }];
    const container = /^\/etc\/containers\/systemd\/(.+)\.container$/.exec(path)?.[1];
    return container === undefined
      ? []
      : [
          {
            what: `volumes and image of container ${container}`,
            command: 'podman volume prune; podman image prune',
          },
        ];
  });
}

/** The [Install] section of a unit (systemd.unit(5)): the links of an enabled unit follow from it. */
function installOf(node: NodeWish | undefined, decode: (bytes: Uint8Array) => string): string {
  if (node?.type !== 'file' || !('bytes' in node.contents)) return '';
  return [...decode(node.contents.bytes).matchAll(/^\[Install\]\n([^[]*)/gm)].map(([, body]) => body).join();
}

/** The difference between two configs, compared with the real state. Planning changes nothing. */
export function makePlan(
  old: Wishes,
  next: Wishes,
  given: Circumstances,
  decode: (bytes: Uint8Array) => string,
): Plan {
  const drift = driftOf(old, next, given);
  const nodes = nodeSteps(old, next, drift, given);
  const enabled = (wishes: Wishes, name: string): boolean | undefined => wishes.units.get(name)?.enabled;
  const names = [...new Set([...old.units.keys(), ...next.units.keys()])];
  const enable = names.filter((name) => enabled(next, name) === true && enabled(old, name) !== true);
  const disable = names.filter((name) => enabled(old, name) === true && enabled(next, name) !== true);
  const installs = (wishes: Wishes, name: string): string =>
    installOf(wishes.nodes.get(`/etc/systemd/system/${name}`), decode);
  const moves = (name: string): boolean =>
    enabled(old, name) === true &&
    enabled(next, name) === true &&
    installs(old, name) !== installs(next, name);
  return {
    accounts: accountSteps(old, next, given),
    nodes,
    enable,
    disable,
    reenable: names.filter(moves),
    services: servicesOf({ nodes, enable, disable, old, next, release: given.release, decode }),
    drift,
    refusals: [
      ...otherMachine(old, next, given, decode),
      ...refusalsOf(old, next),
      ...poolRefusals(old, next, decode),
      ...keyRefusals(nodes, old),
      ...numberRefusals(next, given),
    ].filter(({ hint }) => ![...given.takeMine].some((path) => hint.endsWith(`--take-mine ${path}`))),
    left: leftOver(old, next, decode),
  };
}

/** Whether there is nothing to do. */
export const isEmpty = (plan: Plan): boolean =>
  [plan.accounts, plan.nodes, plan.enable, plan.disable, plan.reenable, plan.services].every(
    (list) => list.length === 0,
  );

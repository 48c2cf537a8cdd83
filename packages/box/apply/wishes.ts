import { BoxError } from '../io/box.ts';
import { type Field, list, member, object, optional, string } from '../io/fields.ts';
import { readDataUrl } from './data-url.ts';

/**
 * The contents of a file: bytes of the config itself, or a URL. `kept`: the config has no contents for the file. Then an
 * existing file keeps its contents, as under Ignition, and a new file is empty.
 */
export type Contents =
  | { readonly bytes: Uint8Array; readonly gzip: boolean; readonly kept?: true }
  | { readonly url: string; readonly sha512: string | undefined; readonly gzip: boolean };

/** Whether a file that is there keeps its contents. */
export const isKept = (contents: Contents): boolean => 'kept' in contents;

/** A user or group, by number or by name. */
export type Owner = number | string;

interface Owned {
  readonly path: string;
  readonly user: Owner;
  readonly group: Owner;
}

/** A path of the config, and the node that it shall have. */
export type NodeWish =
  /** `anyMode`: the config has no mode, so a file that keeps its contents keeps its mode as well. */
  | (Owned & {
      readonly type: 'file';
      readonly mode: number;
      readonly contents: Contents;
      readonly anyMode?: true;
    })
  | (Owned & { readonly type: 'directory'; readonly mode: number })
  | (Owned & { readonly type: 'link'; readonly target: string; readonly hard: boolean });

/** A unit in the form that the config wants. */
export interface UnitWish {
  readonly name: string;
  readonly enabled: boolean | undefined;
  readonly masked: boolean;
}

/** A group in the form that the config wants. */
export interface GroupWish {
  readonly name: string;
  readonly gid: number | undefined;
  readonly system: boolean;
}

/** A user in the form that the config wants. */
export interface UserWish {
  readonly name: string;
  /** Options of useradd(8) and usermod(8), as Ignition passes them. */
  readonly uid: number | undefined;
  readonly comment: string | undefined;
  readonly home: string | undefined;
  readonly shell: string | undefined;
  readonly primaryGroup: string | undefined;
  readonly groups: readonly string[];
  readonly passwordHash: string | undefined;
  readonly system: boolean;
  /** Whether useradd(8) makes a home, and a group with the user's name. */
  readonly createHome: boolean;
  readonly userGroup: boolean;
  readonly keys: readonly string[];
}

/**
 * A machine config in the form that a running machine can have: paths, units, accounts, and the sections for
 * a first boot.
 */
export interface Wishes {
  readonly nodes: ReadonlyMap<string, NodeWish>;
  readonly units: ReadonlyMap<string, UnitWish>;
  readonly groups: ReadonlyMap<string, GroupWish>;
  readonly users: ReadonlyMap<string, UserWish>;
  /** Accounts that shall not exist (`shouldExist: false`). */
  readonly absent: { readonly users: readonly string[]; readonly groups: readonly string[] };
  /** Sections that only a first boot can apply, as canonical JSON, by their path in the config. */
  readonly firstBoot: ReadonlyMap<string, string>;
}

const SYSTEM = '/etc/systemd/system';

/** Absent and null mean the same, because Ignition's own JSON has both. */
const text = (field: Field): string | undefined =>
  field.value === null ? undefined : optional(field, (one) => string(one));
const flag = (field: Field): boolean => field.value === true;
const number = (field: Field): number | undefined =>
  typeof field.value === 'number' ? field.value : undefined;
const each = <T>(field: Field, read: (one: Field) => T): T[] =>
  field.value === undefined || field.value === null ? [] : list(field, read, 100_000);

function ownerOf(field: Field): Owner {
  if (field.value === undefined || field.value === null) return 0;
  return number(member(field, 'id')) ?? text(member(field, 'name')) ?? 0;
}

const owned = (field: Field): Owned => ({
  path: string(member(field, 'path'), /^\/./, 'an absolute path'),
  user: ownerOf(member(field, 'user')),
  group: ownerOf(member(field, 'group')),
});

function contentsOf(field: Field): Contents {
  const source = field.value === undefined ? undefined : text(member(field, 'source'));
  if (source === undefined || source === '') return { bytes: new Uint8Array(), gzip: false, kept: true };
  const gzip = text(member(field, 'compression')) === 'gzip';
  if (source.startsWith('data:')) return { bytes: readDataUrl(source), gzip };
  const hash = optional(member(field, 'verification'), (one) => text(member(one, 'hash')));
  return { url: source, sha512: hash?.startsWith('sha512-') ? hash.slice(7) : undefined, gzip };
}

function storageNodes(storage: Field): NodeWish[] {
  const files = each(member(storage, 'files'), (one): NodeWish => {
    if (each(member(one, 'append'), () => true).length > 0)
      throw new BoxError('append is for a first boot: it adds to a file that changes by that', {
        where: one.at,
        hint: 'give the whole contents',
      });
    const mode = number(member(one, 'mode'));
    const contents = contentsOf(member(one, 'contents'));
    const any = mode === undefined && isKept(contents) ? { anyMode: true as const } : {};
    return { ...owned(one), type: 'file', mode: mode ?? 0o644, contents, ...any };
  });
  const directories = each(
    member(storage, 'directories'),
    (one): NodeWish => ({
      ...owned(one),
      type: 'directory',
      mode: number(member(one, 'mode')) ?? 0o755,
    }),
  );
  const links = each(
    member(storage, 'links'),
    (one): NodeWish => ({
      ...owned(one),
      type: 'link',
      target: string(member(one, 'target')),
      hard: flag(member(one, 'hard')),
    }),
  );
  return [...directories, ...files, ...links];
}

const rootFile = (path: string, bytes: Uint8Array): NodeWish => ({
  ...{ path, type: 'file', mode: 0o644, user: 0, group: 0, contents: { bytes, gzip: false } },
});

/** The nodes that Ignition writes for a unit: its file and drop-ins, or a link to /dev/null if it is masked. */
function unitNodes(unit: Field, encode: (text: string) => Uint8Array): NodeWish[] {
  const name = string(member(unit, 'name'));
  const contents = text(member(unit, 'contents'));
  const path = `${SYSTEM}/${name}`;
  const dropins = each(member(unit, 'dropins'), (one) => {
    const body = text(member(one, 'contents')) ?? '';
    return rootFile(`${path}.d/${string(member(one, 'name'))}`, encode(body));
  }).filter((node) => node.type !== 'file' || !('bytes' in node.contents) || node.contents.bytes.length > 0);
  if (flag(member(unit, 'mask')))
    return [...dropins, { path, type: 'link', target: '/dev/null', hard: false, user: 0, group: 0 }];
  return contents === undefined || contents === '' ? dropins : [...dropins, rootFile(path, encode(contents))];
}

function userOf(user: Field): UserWish {
  return {
    name: string(member(user, 'name')),
    uid: number(member(user, 'uid')),
    comment: text(member(user, 'gecos')),
    home: text(member(user, 'homeDir')),
    shell: text(member(user, 'shell')),
    primaryGroup: text(member(user, 'primaryGroup')),
    groups: each(member(user, 'groups'), (one) => string(one)),
    passwordHash: text(member(user, 'passwordHash')),
    system: flag(member(user, 'system')),
    createHome: !flag(member(user, 'noCreateHome')),
    userGroup: !flag(member(user, 'noUserGroup')),
    keys: each(member(user, 'sshAuthorizedKeys'), (one) => string(one)),
  };
}

/** JSON with sorted keys and without empty values: two configs with the same meaning give the same text. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const members = Object.entries(value)
    .filter(([, one]) => one !== undefined && one !== null && !(Array.isArray(one) && one.length === 0))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, one]) => `${JSON.stringify(key)}:${canonical(one)}`).join(',')}}`;
}

const FIRST_BOOT = ['disks', 'filesystems', 'raid', 'luks'] as const;

function firstBootOf(config: Field, storage: Field): Map<string, string> {
  const sections = FIRST_BOOT.map((name) => [`storage.${name}`, member(storage, name).value] as const);
  const all = [...sections, ['kernelArguments', member(config, 'kernelArguments').value] as const];
  return new Map(
    all
      .filter(
        ([, value]) =>
          value !== undefined && value !== null && canonical(value) !== '[]' && canonical(value) !== '{}',
      )
      .map(([name, value]) => [name, canonical(value)]),
  );
}

const byName = <T extends { readonly name: string }>(items: readonly T[]): Map<string, T> =>
  new Map(items.map((item) => [item.name, item]));

/** Reads a compiled Ignition config (spec 3) without parts to merge or to fetch. */
export function readWishes(config: Field, encode: (text: string) => Uint8Array): Wishes {
  object(config);
  const storage: Field = { value: member(config, 'storage').value ?? {}, at: 'storage' };
  const systemd: Field = { value: member(config, 'systemd').value ?? {}, at: 'systemd' };
  const passwd: Field = { value: member(config, 'passwd').value ?? {}, at: 'passwd' };
  const units = member(systemd, 'units');
  const accounts = (kind: 'users' | 'groups', exist: boolean): Field => {
    const all = each(member(passwd, kind), (one) => one);
    const some = all.filter((one) => (member(one, 'shouldExist').value !== false) === exist);
    return { value: some.map(({ value }) => value), at: `passwd.${kind}` };
  };
  const namesOf = (field: Field): string[] => each(field, (one) => string(member(one, 'name')));
  const nodes = [...storageNodes(storage), ...each(units, (unit) => unitNodes(unit, encode)).flat()];
  return {
    nodes: new Map(nodes.map((node) => [node.path, node])),
    units: byName(
      each(units, (unit) => ({
        name: string(member(unit, 'name')),
        enabled:
          typeof member(unit, 'enabled').value === 'boolean' ? flag(member(unit, 'enabled')) : undefined,
        masked: flag(member(unit, 'mask')),
      })),
    ),
    groups: byName(
      each(accounts('groups', true), (one) => ({
        name: string(member(one, 'name')),
        gid: number(member(one, 'gid')),
        system: flag(member(one, 'system')),
      })),
    ),
    users: byName(each(accounts('users', true), userOf)),
    absent: { users: namesOf(accounts('users', false)), groups: namesOf(accounts('groups', false)) },
    firstBoot: firstBootOf(config, storage),
  };
}

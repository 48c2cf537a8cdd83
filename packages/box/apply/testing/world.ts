import { type Box, folderOf, foldersAbove, nameOf } from '../../io/box.ts';
import { FakeBox, type FakeRan } from '../../io/fake.ts';
import { sha256 } from '../../io/sha256.ts';
import { encodeUtf8 } from '../../io/utf8.ts';
import { readDataUrl } from '../data-url.ts';
import { CONFIG_FOLDER, PROVISIONED } from '../journal.ts';
import { AccountFiles } from './account-files.ts';
import { filePrograms, words } from './file-programs.ts';

/*
 * A fake machine: files with owners, accounts, links of enabled units, running units and the files that they were
 * started with. Ignition and the first boot make it, and applies change it. It has the programs that Ignition and an
 * apply call.
 */

export interface FileWish {
  readonly path: string;
  readonly mode?: number;
  readonly user?: { readonly name: string };
  readonly group?: { readonly name: string };
}

export interface UserWish {
  readonly name: string;
  readonly uid?: number;
  readonly gecos?: string;
  readonly homeDir?: string;
  readonly shell?: string;
  readonly primaryGroup?: string;
  readonly groups?: readonly string[];
  readonly passwordHash?: string;
  readonly system?: boolean;
  readonly sshAuthorizedKeys?: readonly string[];
}

/** The part of an Ignition config that is edited. */
export interface Config {
  readonly ignition: { readonly version: '3.3.0' };
  readonly passwd: {
    readonly groups: readonly { readonly name: string; readonly gid: number }[];
    readonly users: readonly UserWish[];
  };
  readonly storage: {
    readonly directories: readonly FileWish[];
    readonly files: readonly (FileWish & { readonly contents: { readonly source: string } })[];
    readonly links: readonly {
      readonly path: string;
      readonly target: string;
      readonly overwrite?: boolean;
    }[];
  };
  readonly systemd: {
    readonly units: readonly {
      readonly name: string;
      readonly contents?: string;
      readonly enabled?: boolean;
      readonly mask?: boolean;
      readonly dropins?: readonly { readonly name: string; readonly contents: string }[];
    }[];
  };
}

const UNITS = '/etc/systemd/system';
const PRESET = '/etc/systemd/system-preset/20-ignition.preset';
/** Units of the release. */
export interface Release {
  /** A unit that a config may enable. */
  readonly vendor: { readonly name: string; readonly target: string };
  /** A unit that runs without a config. `target`: where it is linked when a config enables it. */
  readonly wanted: { readonly name: string; readonly target?: string };
}

const RELEASE: Release = {
  vendor: { name: 'vendor.service', target: 'multi-user.target' },
  wanted: { name: 'wanted.service' },
};
const VENDOR = '/usr/share/draisine';
export class World {
  readonly box = new FakeBox();
  /** Running units, with a digest of the files that each was started with. */
  readonly running = new Map<string, string>();
  readonly accounts: AccountFiles;

  constructor({ vendor, wanted }: Release = RELEASE) {
    const { box } = this;
    box.put({
      '/etc/passwd': 'root:x:0:0:root:/root:/bin/bash\n',
      '/etc/group': 'root:x:0:\n',
      '/etc/nftables.conf': 'of the release',
      [`${VENDOR}/etc/nftables.conf`]: 'of the release',
      [`/usr/lib/systemd/system/${vendor.name}`]: `[Install]\nWantedBy=${vendor.target}\n`,
      [`/usr/lib/systemd/system/${wanted.name}`]:
        wanted.target === undefined ? 'of the release' : `[Install]\nWantedBy=${wanted.target}\n`,
      [`/usr/lib/systemd/system/multi-user.target.wants/${wanted.name}`]: 'a link',
    });
    box.makeFolder(UNITS);
    box.makeFolder('/run/draisine');
    box.makeFolder(CONFIG_FOLDER, 0o700);
    box.makeFolder('/proc');
    box.symlink('1', '/proc/self');
    this.#filePrograms();
    this.accounts = new AccountFiles(box);
    box.program('systemctl', (argv) => this.#systemctl(argv.slice(1)));
    for (const name of ['sync', 'systemd-run', 'networkctl', 'sh', '/bin/sh', 'systemd-tmpfiles', 'udevadm'])
      box.program(name, () => '');
  }

  #change(path: string, parts: object): void {
    const nodes = this.box.nodes as Map<string, object>;
    const node = nodes.get(path);
    if (node) nodes.set(path, { ...node, ...parts });
  }

  #filePrograms(): void {
    const { box } = this;
    filePrograms(box);
    const nodes = box.nodes as Map<string, { type: string }>;
    box.program('chown', (argv) => this.#each(argv, (owner) => ({ owner })));
    box.program('chmod', (argv) => this.#each(argv, (mode) => ({ mode: Number.parseInt(mode, 8) })));
    box.program('find', (argv) => {
      const links = [...nodes].filter(
        ([path, { type }]) => path.startsWith(`${UNITS}/`) && type === 'symlink',
      );
      if (argv.includes('-delete')) for (const [path] of links) nodes.delete(path);
      return links.map(([path]) => `${path}\n`).join('');
    });
  }

  #each(argv: readonly string[], parts: (value: string) => object): FakeRan {
    const [value = '', ...paths] = words(argv);
    for (const path of paths) this.#change(path, parts(value));
    return {};
  }

  /** The path of the unit file that systemd uses; undefined for a missing or masked unit. */
  #unitPath(unit: string): string | undefined {
    const { box } = this;
    const quadlet = `/etc/containers/systemd/${unit.replace(/\.service$/, '')}.container`;
    if (unit.endsWith('.service') && box.stat(quadlet)?.type === 'file') return quadlet;
    for (const path of [`${UNITS}/${unit}`, `/usr/lib/systemd/system/${unit}`]) {
      const found = box.lstat(path);
      if (found?.type === 'symlink') return undefined;
      if (found) return path;
    }
    return undefined;
  }

  #unitFile(unit: string): string | undefined {
    const path = this.#unitPath(unit);
    return path === undefined ? undefined : this.box.readText(path);
  }

  /** The digest of all files of a unit. */
  definition(unit: string): string {
    const { box } = this;
    const name = unit.replace(/\.service$/, '');
    const folders = [`${UNITS}/${unit}.d`, `/etc/draisine/secrets/${name}`];
    const files = [
      `/etc/draisine/environment/${name}`,
      ...folders.flatMap((folder) =>
        box.stat(folder) ? box.list(folder).map((file) => `${folder}/${file}`) : [],
      ),
    ];
    const texts = files
      .filter((path) => box.lstat(path)?.type === 'file')
      .map((path) => [path, box.readText(path)]);
    return sha256(encodeUtf8(JSON.stringify([this.#unitFile(unit), texts])));
  }

  #linkFolder(unit: string): string | undefined {
    const wanted = /^WantedBy=(.*)$/m.exec(this.#unitFile(unit) ?? '')?.[1];
    return wanted === undefined ? undefined : `${UNITS}/${wanted}.wants`;
  }

  start(unit: string): void {
    this.running.set(unit, this.definition(unit));
  }

  enable(unit: string): void {
    const folder = this.#linkFolder(unit);
    if (folder === undefined) return;
    this.box.makeFolder(folder);
    this.box.symlink(this.#unitPath(unit) ?? '', `${folder}/${unit}`);
  }

  #systemctl([verb = '', ...rest]: readonly string[]): FakeRan {
    const units = rest.filter((word) => !word.startsWith('-'));
    for (const unit of units) {
      const there = this.#unitFile(unit) !== undefined;
      if (verb === 'is-active') return { code: this.running.has(unit) ? 0 : 3 };
      if (verb === 'stop' && !this.running.delete(unit) && !there)
        return { code: 5, stderr: `Unit ${unit} not loaded.` };
      // systemctl(1) ignores a masked unit, and leaves its links.
      if (['disable', 'reenable'].includes(verb) && this.box.lstat(`${UNITS}/${unit}`)?.type === 'symlink')
        continue;
      if (verb === 'disable' || verb === 'reenable')
        for (const [path, { type }] of [...this.box.nodes])
          if (type === 'symlink' && nameOf(path) === unit && folderOf(path).endsWith('.wants'))
            this.box.nodes.delete(path);
      if (verb === 'reload-or-restart' || /draisine-apply-revert/.test(unit)) continue;
      if (['start', 'try-restart', 'enable', 'reenable'].includes(verb) && !there)
        return { code: 5, stderr: `Unit ${unit} not found.` };
      if (verb === 'enable' || verb === 'reenable') this.enable(unit);
      if (verb === 'start' && !this.running.has(unit)) this.start(unit);
      if (verb === 'restart' || (verb === 'try-restart' && this.running.has(unit))) this.start(unit);
    }
    return {};
  }

  /** Files and links with their owners and modes, folders that a config names, accounts, links of units, what runs. */
  state({ storage }: Config): Record<string, string> {
    const { box } = this;
    const all = [...storage.directories, ...storage.files, ...storage.links];
    const named = new Set([
      ...storage.directories.map(({ path }) => path),
      ...all.flatMap(({ path }) => foldersAbove(path)),
    ]);
    const found: Record<string, string> = {};
    for (const [path, { type, bytes, target, mode, owner }] of box.nodes) {
      if (/^\/(usr|run|proc|var\/lib\/draisine)(\/|$)/.test(path) || /^\/etc\/(passwd|group)$/.test(path))
        continue;
      // Empty folders are not compared: an apply may leave them, because it does not know who made them.
      if (type === 'directory' && !named.has(path)) continue;
      const text =
        path === PRESET ? box.readText(path).split('\n').sort().join() : new TextDecoder().decode(bytes);
      if (path === PRESET && text === '') continue;
      found[path] = [type, type === 'symlink' ? target : `${mode.toString(8)} ${text}`, owner].join(' ');
    }
    for (const [name = '', , ...row] of this.accounts.rows('/etc/passwd'))
      found[`user ${name}`] = [...row, this.accounts.passwords.get(name)].join(':');
    for (const [name = '', , ...row] of this.accounts.rows('/etc/group'))
      found[`group ${name}`] = row.join(':');
    for (const [unit, definition] of this.running) found[`runs ${unit}`] = definition;
    return Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

/** Writes a path like Ignition: owners by name; missing folders above it belong to root. */
function place(world: World, { path, mode, user, group }: FileWish, fallback: number, put: () => void): void {
  const { box } = world;
  box.makeFolder(folderOf(path));
  put();
  const number = (file: string, name: string | undefined) =>
    name === undefined ? '0' : (new RegExp(`^${name}:x:(\\d+):`, 'm').exec(box.readText(file))?.[1] ?? '');
  box.run(['chown', `${number('/etc/passwd', user?.name)}:${number('/etc/group', group?.name)}`, path]);
  box.run(['chmod', (mode ?? fallback).toString(8), path]);
}

/** Ignition, stage files: util.EnsureUser of its internal/exec/util/passwd.go. */
function addUser(box: Box, user: UserWish): void {
  const word = (flag: string, value: string | number | undefined) =>
    value === undefined ? [] : [flag, String(value)];
  const made = user.name !== 'root';
  const groups = user.groups?.length ? user.groups.join(',') : undefined;
  box.run([
    made ? 'useradd' : 'usermod',
    ...word(made ? '--home-dir' : '--home', user.homeDir),
    ...(made ? ['--create-home', ...(user.system ? ['--system'] : [])] : []),
    ...word('--password', user.passwordHash ?? (made ? '*' : undefined)),
    ...word('--uid', user.uid),
    ...word('--comment', user.gecos),
    ...word('--gid', user.primaryGroup),
    ...word('--groups', groups),
    ...word('--shell', user.shell),
    user.name,
  ]);
}

function addKeys(world: World, { name, sshAuthorizedKeys = [], homeDir, primaryGroup }: UserWish): void {
  if (sshAuthorizedKeys.length === 0) return;
  const folder = `${homeDir ?? (name === 'root' ? '/root' : `/home/${name}`)}/.ssh`;
  const owner = { user: { name }, group: { name: primaryGroup ?? name } };
  for (const path of [folder, `${folder}/authorized_keys.d`])
    place(world, { path, mode: 0o700, ...owner }, 0, () => world.box.makeFolder(path));
  const path = `${folder}/authorized_keys.d/ignition`;
  place(world, { path, mode: 0o600, ...owner }, 0, () =>
    world.box.writeFile(path, `${sshAuthorizedKeys.join('\n')}\n`),
  );
}

/** A machine that was provisioned with a config and has booted. */
export function provision(config: Config, release: Release = RELEASE): World {
  const world = new World(release);
  const { box } = world;
  const { passwd, storage, systemd } = config;
  for (const { name, gid } of passwd.groups) box.run(['groupadd', '--gid', String(gid), name]);
  for (const user of passwd.users) addUser(box, user);
  for (const user of passwd.users) addKeys(world, user);
  for (const wish of storage.directories) place(world, wish, 0o755, () => box.makeFolder(wish.path));
  for (const wish of storage.files)
    place(world, wish, 0o644, () => box.writeFile(wish.path, readDataUrl(wish.contents.source)));
  for (const { path, target } of storage.links)
    place(world, { path }, 0o644, () => box.symlink(target, path));
  const lines = systemd.units.flatMap(({ name, enabled }) =>
    enabled === undefined ? [] : [`${enabled ? 'enable' : 'disable'} ${name}\n`],
  );
  if (lines.length > 0) place(world, { path: PRESET }, 0o644, () => box.writeFile(PRESET, lines.join('')));
  for (const { name, contents, mask, dropins = [] } of systemd.units) {
    const path = `${UNITS}/${name}`;
    if (mask) box.symlink('/dev/null', path);
    else if (contents !== undefined) box.put({ [path]: contents });
    for (const dropin of dropins) box.put({ [`${path}.d/${dropin.name}`]: dropin.contents });
  }
  const { wanted } = release;
  if (!systemd.units.some(({ name, mask }) => name === wanted.name && mask)) world.start(wanted.name);
  for (const { name, enabled } of systemd.units) {
    if (!enabled) continue;
    world.enable(name);
    world.start(name);
  }
  for (const { path } of storage.files) {
    const container = /^\/etc\/containers\/systemd\/(.+)\.container$/.exec(path)?.[1];
    if (container !== undefined) world.start(`${container}.service`);
  }
  box.writeFile(PROVISIONED, JSON.stringify(config), { mode: 0o600 });
  return world;
}

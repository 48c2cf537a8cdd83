import fc from 'fast-check';
import type { Config, Release } from './world.ts';

/* Random machine configs, and random edits of them, for a fake box (edits.test.ts) and a real one (kola-tests). */

/** Texts and names for random configs. A fake box takes any text. A real box needs texts that work. */
export interface Material {
  /** Contents that a file at this path may have. */
  texts(path: string): readonly string[];
  /** Contents of a unit. `text`: one of its `texts`; `target`: the target that wants the enabled unit. */
  unit(name: string, text: string, target: string): string;
  /** Contents of a drop-in. */
  dropin(unit: string, text: string): string;
  /** Units that the config brings. */
  readonly own: readonly string[];
  /** Units of the release. */
  readonly vendor: readonly string[];
  /** Containers; a real box would need their images. */
  readonly containers: readonly string[];
  /** Whether users may be system users. useradd(8) gives them the next free number, which depends on earlier groups. */
  readonly systemUsers: boolean;
}

const TEXTS = ['one\n', 'two\n', '', 'ä\u0000%\n'] as const;

/** Units of a real release that edits name. */
export const REAL_RELEASE: Release = {
  vendor: { name: 'debug-shell.service', target: 'sysinit.target' },
  wanted: { name: 'fstrim.timer', target: 'timers.target' },
};

/** For a fake box. */
export const FAKE: Material = {
  texts: () => TEXTS,
  unit: (_name, text, target) => `[Service]\n${text}[Install]\nWantedBy=${target}\n`,
  dropin: (_unit, text) => text,
  own: ['a.service', 'b.service', 'c.timer'],
  vendor: ['vendor.service', 'wanted.service'],
  containers: ['web', 'db'],
  systemUsers: true,
};

const isTimer = (unit: string): boolean => unit.endsWith('.timer');

/**
 * Texts for a real box. The environment of a service shows which file it was started with. SIGHUP, because the
 * release's debug-shell.service needs it: systemd stops a program as the new file says, and a shell ignores SIGTERM.
 */
export const REAL: Material = {
  texts: (path) => {
    if (path === '/etc/hostname') return ['one\n', 'two\n'];
    if (path === '/etc/nftables.conf') return ['table inet one {}\n', 'table inet two {}\n', ''];
    if (path.startsWith('/etc/ssh/')) return ['ClientAliveInterval 60\n', 'ClientAliveInterval 90\n', ''];
    return path === 'unit' ? ['one', 'two'] : TEXTS;
  },
  unit: (name, text, target) =>
    [
      ...(isTimer(name)
        ? [`[Timer]\n# ${text}\nOnCalendar=2099-01-01\nUnit=systemd-tmpfiles-clean.service`]
        : [`[Service]\nExecStart=/usr/bin/sleep infinity\nKillSignal=SIGHUP\nEnvironment=TEXT=${text}`]),
      `[Install]\nWantedBy=${target}\n`,
    ].join('\n'),
  dropin: (unit, text) =>
    isTimer(unit) ? `[Unit]\nDescription=${text}\n` : `[Service]\nEnvironment=DROPIN_${text}=1\n`,
  own: ['a.service', 'b.service', 'c.timer'],
  vendor: [REAL_RELEASE.vendor.name, REAL_RELEASE.wanted.name],
  containers: [],
  systemUsers: false,
};

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const text = fc.constantFrom(...TEXTS);
const mode = maybe(fc.constantFrom(0o600, 0o644, 0o755, 0o400));
const url = (contents: string) => ({ source: `data:,${encodeURIComponent(contents)}` });

const USERS = { ada: 1001, bob: 1002 } as const;
const GROUPS = { crew: 2001, team: 2002 } as const;

const accounts = fc.record({
  groups: fc.subarray(Object.keys(GROUPS) as (keyof typeof GROUPS)[]),
  users: fc.subarray(['root', ...Object.keys(USERS)] as ('root' | keyof typeof USERS)[]),
  options: fc.record({
    gecos: maybe(fc.constantFrom('A', 'B')),
    shell: maybe(fc.constantFrom('/bin/bash', '/usr/bin/sftp')),
    homeDir: maybe(fc.constantFrom('/srv/home', '/var/home')),
    passwordHash: maybe(fc.constantFrom('$y$1', '$y$2')),
    system: fc.boolean(),
    primary: fc.boolean(),
    join: fc.boolean(),
  }),
  keys: fc.subarray(['ssh-ed25519 A', 'ssh-ed25519 B']),
});

type Made<T> = T extends fc.Arbitrary<infer Value> ? Value : never;
type Accounts = Made<typeof accounts>;

function passwdOf({ groups, users, options, keys }: Accounts, { systemUsers }: Material): Config['passwd'] {
  const { primary, join, homeDir, ...given } = options;
  const rest = { ...given, system: systemUsers ? given.system : undefined };
  const [first] = groups;
  return {
    groups: groups.map((name) => ({ name, gid: GROUPS[name] })),
    users: users.map((name) => ({
      name,
      ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)),
      ...(name === 'root' ? {} : { uid: USERS[name] }),
      ...(homeDir !== undefined && name !== 'root' ? { homeDir: `${homeDir}/${name}` } : {}),
      ...(primary && first && name !== 'root' ? { primaryGroup: first } : {}),
      ...(join ? { groups } : {}),
      ...(keys.length > 0 ? { sshAuthorizedKeys: keys } : {}),
    })),
  };
}

/** An edit may make a path a file, a folder or a link, or put something below it. */
const PATHS = [
  '/etc/a.conf',
  '/etc/app/x',
  '/etc/app/y/z',
  '/etc/nftables.conf',
  '/etc/hostname',
  '/opt/bin/tool',
  '/etc/ssh/sshd_config.d/1.conf',
];
const chosen = (texts: readonly string[], which: number): string => texts[which % texts.length] ?? '';

const nodes = fc.record({
  // A file has one of the texts that its path may have.
  files: fc.dictionary(
    fc.constantFrom(...PATHS),
    fc.record({ text: fc.nat({ max: 11 }), mode, owned: fc.boolean() }),
    { noNullPrototype: true },
  ),
  changing: fc.constantFrom('none', 'file', 'link', 'folder', 'above'),
  folder: maybe(fc.record({ mode, owned: fc.boolean() })),
  zone: maybe(fc.constantFrom('../usr/share/zoneinfo/UTC', '../usr/share/zoneinfo/Europe/Berlin')),
});

type Nodes = Made<typeof nodes>;

const CHANGING = '/etc/changing';

function storageOf(
  parts: Nodes,
  containers: readonly Container[],
  { passwd, material }: { readonly passwd: Config['passwd']; readonly material: Material },
): Config['storage'] {
  const owner = passwd.users.find(({ name }) => name !== 'root');
  const owned = (yes: boolean) =>
    yes && owner ? { user: { name: owner.name }, group: { name: owner.primaryGroup ?? owner.name } } : {};
  const withMode = (given: number | undefined) => (given === undefined ? {} : { mode: given });
  const files = Object.entries(parts.files).map(([path, file]) => ({
    ...{ path, contents: url(chosen(material.texts(path), file.text)), overwrite: true },
    ...withMode(file.mode),
    ...owned(file.owned),
  }));
  const one = (path: string, contents: string) => ({ path, contents: url(contents), overwrite: true });
  const changing = {
    none: { files: [], links: [], directories: [] },
    file: { files: [one(CHANGING, 'x')], links: [], directories: [] },
    link: { files: [], links: [{ path: CHANGING, target: 'hostname' }], directories: [] },
    folder: { files: [], links: [], directories: [{ path: CHANGING, mode: 0o700 }] },
    above: { files: [one(`${CHANGING}/below`, 'x')], links: [], directories: [] },
  }[parts.changing];
  const ofContainers = containers.flatMap(({ name, image, environment, secret }) => [
    one(`/etc/containers/systemd/${name}.container`, `${image}\n[Install]\nWantedBy=multi-user.target\n`),
    ...(environment === undefined ? [] : [one(`/etc/draisine/environment/${name}`, environment)]),
    ...(secret === undefined ? [] : [one(`/etc/draisine/secrets/${name}/key`, secret)]),
  ]);
  return {
    files: [...files, ...changing.files, ...ofContainers],
    links: [
      ...changing.links,
      // The release has such a link, and Ignition replaces it only if it may.
      ...(parts.zone === undefined ? [] : [{ path: '/etc/localtime', target: parts.zone, overwrite: true }]),
    ],
    directories: [
      ...changing.directories,
      ...(parts.folder
        ? [{ path: '/etc/app', ...withMode(parts.folder.mode), ...owned(parts.folder.owned) }]
        : []),
    ],
  };
}

interface Container {
  readonly name: string;
  readonly image: string;
  readonly environment?: string | undefined;
  readonly secret?: string | undefined;
}

const containersOf = ({ containers }: Material) =>
  containers.length === 0
    ? fc.constant<Container[]>([])
    : fc.uniqueArray(
        fc.record({
          ...{ name: fc.constantFrom(...containers), image: text, environment: maybe(text) },
          secret: maybe(text),
        }),
        { selector: ({ name }) => name },
      );

type Unit = Config['systemd']['units'][number];

/** A unit with one of these names. A unit that the config brings has contents, or is masked. */
function unitOf(material: Material, names: readonly string[], mayLackContents: boolean): fc.Arbitrary<Unit> {
  const target = fc.constantFrom('multi-user.target', 'timers.target');
  const body = fc.record({ text: fc.constantFrom(...material.texts('unit')), target });
  return fc
    .record({
      name: fc.constantFrom(...names),
      how: fc.oneof(
        fc.record({ body: mayLackContents ? maybe(body) : body, enabled: maybe(fc.boolean()) }),
        fc.constant('mask' as const),
      ),
      dropins: fc.dictionary(fc.constantFrom('1.conf', '2.conf'), fc.constantFrom('a', 'b'), {
        noNullPrototype: true,
      }),
    })
    .map(({ name, how, dropins }) => ({
      name,
      ...(how === 'mask' ? { mask: true } : {}),
      ...(how !== 'mask' && how.body
        ? { contents: material.unit(name, how.body.text, how.body.target) }
        : {}),
      ...(how !== 'mask' && how.enabled !== undefined ? { enabled: how.enabled } : {}),
      dropins: Object.entries(dropins).map(([file, contents]) => ({
        ...{ name: file, contents: material.dropin(name, contents) },
      })),
    }));
}

const unitsOf = (material: Material): fc.Arbitrary<Unit[]> =>
  fc.uniqueArray(
    fc.oneof(
      { weight: 3, arbitrary: unitOf(material, material.own, false) },
      { weight: 1, arbitrary: unitOf(material, material.vendor, true) },
    ),
    { selector: ({ name }) => name },
  );

interface Parts {
  readonly accounts: Accounts;
  readonly nodes: Nodes;
  readonly containers: readonly Container[];
  readonly units: readonly Unit[];
}

const partsOf = (material: Material): fc.Arbitrary<Parts> =>
  fc.record({ accounts, nodes, containers: containersOf(material), units: unitsOf(material) });

function configOf(parts: Parts, material: Material): Config {
  const passwd = passwdOf(parts.accounts, material);
  return {
    ignition: { version: '3.3.0' },
    passwd,
    storage: storageOf(parts.nodes, parts.containers, { passwd, material }),
    systemd: { units: parts.units },
  };
}

/** Random machine configs. */
export const machinesOf = (material: Material): fc.Arbitrary<Config> =>
  partsOf(material).map((parts) => configOf(parts, material));

/** The parts of a config. An edit replaces one or more of them. */
const EDITED = [
  ...['accounts', 'nodes', 'units', 'accounts nodes', 'nodes units', 'accounts units', 'nodes containers'],
  'accounts nodes units containers',
];

/** A sequence of configs, each an edit of the previous one. The same seed gives the same sequence. */
export function editsOf(material: Material, { seed, count }: { seed: number; count: number }): Config[] {
  const edits = fc.sample(fc.record({ parts: partsOf(material), edited: fc.constantFrom(...EDITED) }), {
    ...{ seed, numRuns: count },
  });
  let now: Parts | undefined;
  return edits.map(({ parts, edited }) => {
    const names = edited.split(' ');
    now = now
      ? (Object.fromEntries(
          Object.entries(now).map(([name, part]) => [
            name,
            names.includes(name) ? parts[name as keyof Parts] : part,
          ]),
        ) as unknown as Parts)
      : parts;
    return configOf(now, material);
  });
}

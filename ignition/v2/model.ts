import { jsonStyle, type Style, unusedKey } from '../check/read.ts';
import { type Keys, type StructShape, shapeOf } from '../spec/shape.ts';

/**
 * The keys of a spec 2 config: those of 2.4, and older ones that later versions replaced (Ignition 0.x,
 * config/v2_*\/types).
 * A `text` or `number` is always present: empty or 0 if nothing was written.
 */

/** The spec 2 versions that can be translated. */
export const V2_VERSIONS = ['2.0.0', '2.1.0', '2.2.0', '2.3.0', '2.4.0'] as const;

const RESOURCE = {
  source: 'string',
  compression: 'string',
  verification: { hash: 'string' },
  httpHeaders: [{ name: 'text', value: 'text' }],
} as const;
const { compression: _, ...REFERENCE } = RESOURCE;

const OWNER = { id: 'integer', name: 'string' } as const;
const NODE = { filesystem: 'text', path: 'text', user: OWNER, group: OWNER, overwrite: 'boolean' } as const;
const FILE = { ...NODE, contents: RESOURCE, mode: 'integer', append: 'boolean' } as const;
const DIRECTORY = { ...NODE, mode: 'integer' } as const;
const LINK = { ...NODE, hard: 'boolean', target: 'text' } as const;

const PARTITION = {
  label: 'string',
  number: 'number',
  // Sectors of 512 bytes.
  size: 'integer',
  start: 'integer',
  sizeMiB: 'integer',
  startMiB: 'integer',
  typeGuid: 'string',
  guid: 'string',
  shouldExist: 'boolean',
  wipePartitionEntry: 'boolean',
} as const;

const FILESYSTEM = {
  name: 'text',
  mount: {
    device: 'text',
    format: 'text',
    create: { force: 'boolean', options: ['string'] },
    wipeFilesystem: 'boolean',
    label: 'string',
    uuid: 'string',
    options: ['string'],
  },
  // The path in the initramfs at which it is mounted already.
  path: 'string',
} as const;

const ACCOUNT = {
  uid: 'integer',
  gecos: 'string',
  homeDir: 'string',
  noCreateHome: 'boolean',
  primaryGroup: 'string',
  groups: ['string'],
  noUserGroup: 'boolean',
  system: 'boolean',
  noLogInit: 'boolean',
  shell: 'string',
} as const;
const USER = {
  name: 'text',
  passwordHash: 'string',
  sshAuthorizedKeys: ['string'],
  create: ACCOUNT,
  ...ACCOUNT,
} as const;

const DROPIN = { name: 'text', contents: 'string' } as const;
const UNIT = {
  name: 'text',
  enable: 'boolean',
  enabled: 'boolean',
  mask: 'boolean',
  contents: 'string',
  dropins: [DROPIN],
} as const;

const CONFIG = {
  ignition: {
    version: 'text',
    config: { append: [REFERENCE], replace: REFERENCE },
    timeouts: { httpResponseHeaders: 'integer', httpTotal: 'integer' },
    security: { tls: { certificateAuthorities: [REFERENCE] } },
    proxy: { httpProxy: 'string', httpsProxy: 'string', noProxy: ['string'] },
  },
  storage: {
    disks: [{ device: 'text', wipeTable: 'boolean', partitions: [PARTITION] }],
    raid: [{ name: 'text', level: 'text', devices: ['string'], spares: 'integer', options: ['string'] }],
    filesystems: [FILESYSTEM],
    files: [FILE],
    directories: [DIRECTORY],
    links: [LINK],
  },
  systemd: { units: [UNIT] },
  networkd: { units: [{ name: 'text', contents: 'string', dropins: [DROPIN] }] },
  passwd: {
    users: [USER],
    groups: [{ name: 'text', gid: 'integer', passwordHash: 'string', system: 'boolean' }],
  },
} as const satisfies Keys;

/** The minor version of spec 2 that added a key. */
const SINCE: Readonly<Record<string, number>> = {
  'ignition.timeouts': 1,
  'ignition.security': 2,
  'ignition.proxy': 4,
  'ignition.config.append.httpHeaders': 4,
  'ignition.config.replace.httpHeaders': 4,
  'ignition.security.tls.certificateAuthorities.httpHeaders': 4,
  'storage.disks.partitions.sizeMiB': 3,
  'storage.disks.partitions.startMiB': 3,
  'storage.disks.partitions.shouldExist': 3,
  'storage.disks.partitions.wipePartitionEntry': 3,
  'storage.disks.partitions.guid': 1,
  'storage.raid.options': 1,
  'storage.filesystems.mount.wipeFilesystem': 1,
  'storage.filesystems.mount.label': 1,
  'storage.filesystems.mount.uuid': 1,
  'storage.filesystems.mount.options': 1,
  'storage.files.user.name': 1,
  'storage.files.group.name': 1,
  'storage.files.overwrite': 2,
  'storage.files.append': 2,
  'storage.files.contents.httpHeaders': 4,
  'storage.directories': 1,
  'storage.directories.overwrite': 2,
  'storage.links': 1,
  'storage.links.overwrite': 2,
  'systemd.units.enabled': 1,
  'networkd.units.dropins': 1,
};

/** The keys of a config of any version of spec 2. */
export const v2Shape: StructShape = shapeOf(CONFIG, SINCE);

/** The spelling of a version of spec 2. */
export const v2Style = (minor: number): Style => ({
  ...jsonStyle(unusedKey),
  tooNew: ({ name, since = 0 }) =>
    since > minor
      ? `Unused key ${name}, which spec ${V2_VERSIONS[minor]} does not have; write "${V2_VERSIONS[since]}"`
      : undefined,
});

interface Scalars {
  readonly text: string;
  readonly string: string;
  readonly number: number;
  readonly integer: number;
  readonly boolean: boolean;
}
type Always<K> = { [Name in keyof K]: K[Name] extends 'text' | 'number' ? Name : never }[keyof K];

/** The values of keys. */
type Values<K> = K extends keyof Scalars
  ? Scalars[K]
  : K extends readonly [infer Item]
    ? readonly Values<Item>[]
    : { readonly [Name in Always<K>]: Values<K[Name]> } & {
        readonly [Name in Exclude<keyof K, Always<K>>]?: Values<K[Name]>;
      };

/** The parts of a spec 2 config that are translated. */
export type V2Config = Values<typeof CONFIG>;

/** Contents that are fetched from a URL. */
export type V2Resource = Values<typeof RESOURCE>;

/** Common parts of files, folders and links: `filesystem` and `path` are the place. */
export type V2Node = Values<typeof NODE>;

/** A file. */
export type V2File = Values<typeof FILE>;

/** A folder. */
export type V2Directory = Values<typeof DIRECTORY>;

/** A link. */
export type V2Link = Values<typeof LINK>;

/** A partition. Start and size are in sectors of 512 bytes. */
export type V2Partition = Values<typeof PARTITION>;

/** A file system: made on a device, or only named. */
export type V2Filesystem = Values<typeof FILESYSTEM>;

/** An account. */
export type V2User = Values<typeof USER>;

/** A drop-in of a unit. */
export type V2Dropin = Values<typeof DROPIN>;

/** A unit of systemd. */
export type V2Unit = Values<typeof UNIT>;

import { badInput } from '../../sdk/lib/errors.ts';
import type { Image } from './image.ts';

/*
 * tsx removes types without checking them, so a definition is checked when it is read. The checks follow the types. A
 * field of Image without a check is a compiler error, and a field that Image does not have is an error here.
 */

/** The faults of a value at a JSON path; empty if it has none. */
type Check = (value: unknown, at: string) => string[];

function is(want: string, test: (value: unknown) => boolean): Check {
  return (value, at) => (test(value) ? [] : [`${at} must be ${want}, not ${shown(value)}`]);
}

function list(of: Check): Check {
  return (value, at) =>
    Array.isArray(value)
      ? value.flatMap((item, index) => of(item, `${at}[${index}]`))
      : [`${at} must be a list, not ${shown(value)}`];
}

function record(of: Check): Check {
  return (value, at) =>
    isObject(value)
      ? Object.entries(value).flatMap(([key, item]) => of(item, `${at}[${JSON.stringify(key)}]`))
      : [`${at} must be an object, not ${shown(value)}`];
}

function optional(of: Check): Check {
  return (value, at) => (value === undefined ? [] : of(value, at));
}

function fields<T>(checks: { readonly [K in keyof T]-?: Check }): Check {
  return (value, at) => {
    if (!isObject(value)) return [`${at} must be an object, not ${shown(value)}`];
    const surplus = Object.keys(value).filter((key) => !Object.hasOwn(checks, key));
    return [
      ...Object.entries<Check>(checks).flatMap(([key, check]) => check(value[key], `${at}.${key}`)),
      ...surplus.map((key) => `${at}.${key} is not a field of an image`),
    ];
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  return value === undefined ? 'missing' : (JSON.stringify(value) ?? String(value)).slice(0, 60);
}

const text = is('a text', (value) => typeof value === 'string');
const texts = list(text);
const flag = is('true or false', (value) => typeof value === 'boolean');
const count = is('a whole number', (value) => Number.isSafeInteger(value) && (value as number) >= 0);
const zstdLevel = is(
  'a whole number from 1 to 19',
  (value) => Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= 19,
);
/** A part of names of targets and files. */
const name = is(
  'a name of a–z, 0–9, "." and "-"',
  (value) => typeof value === 'string' && /^[a-z0-9][a-z0-9.-]*$/.test(value),
);
const oneOf = (...values: readonly string[]) =>
  is(`one of ${values.join(', ')}`, (value) => values.some((each) => each === value));

const plan = fields<Image['initrd']['plan']>({
  binaries: texts,
  libraries: texts,
  files: texts,
  units: texts,
  links: record(text),
  directories: texts,
});

const image = fields<Image>({
  name,
  set: text,
  kernel: fields<Image['kernel']>({
    from: is('a function', (value) => typeof value === 'function'),
    built: list(fields<Image['kernel']['built'][number]>({ name: text, set: text, package: text })),
    modules: (value, at) => (value === 'all' ? [] : texts(value, at)),
    signed: flag,
  }),
  firmware: fields<Image['firmware']>({
    set: text,
    packages: texts,
    only: texts,
    microcode: list(
      fields<Image['firmware']['microcode'][number]>({
        vendor: oneOf('GenuineIntel', 'AuthenticAMD'),
        files: texts,
        package: text,
      }),
    ),
  }),
  made: list(
    fields<Image['made'][number]>({
      path: text,
      mode: count,
      from: is('a function', (value) => typeof value === 'function'),
    }),
  ),
  overlays: list(fields<Image['overlays'][number]>({ name, replaces: texts })),
  trims: list(fields<Image['trims'][number]>({ reason: text, paths: texts, except: optional(texts) })),
  settled: list(fields<Image['settled'][number]>({ path: text, package: text, reason: text })),
  accounts: fields<Image['accounts']>({
    users: list(
      fields<Image['accounts']['users'][number]>({
        name: text,
        uid: count,
        gid: count,
        comment: text,
        home: text,
        shell: text,
      }),
    ),
    groups: list(fields<Image['accounts']['groups'][number]>({ name: text, gid: count })),
    unused: texts,
  }),
  fixups: fields<Image['fixups']>({
    enabledUnits: list(fields<Image['fixups']['enabledUnits'][number]>({ unit: text, wantedBy: text })),
    unitAliases: record(text),
    links: record(text),
    modes: list(
      fields<Image['fixups']['modes'][number]>({
        path: text,
        mode: count,
        uid: count,
        gid: count,
        capability: optional(oneOf('cap_setgid', 'cap_setuid')),
      }),
    ),
    moves: record(text),
  }),
  initrd: fields<Image['initrd']>({ plan, modules: texts, level: optional(zstdLevel) }),
  netboot: fields<Image['netboot']>({ plan, modules: texts }),
  cmdline: texts,
  profiles: list(fields<Image['profiles'][number]>({ id: name, title: text, cmdline: texts })),
  menuSeconds: count,
  partitions: fields<Image['partitions']>({ esp: count, usr: count, verity: count }),
  compression: oneOf('lz4', 'zstd'),
  testImages: list(fields<Image['testImages'][number]>({ name, set: text, entrypoint: texts })),
});

/** Checks that the export of `images/FOLDER/image.ts` is an image. Throws badInput that names the wrong fields. */
export function checkImage(value: unknown, folder: string): Image {
  const where = `images/${folder}/image.ts`;
  if (value === undefined) {
    throw badInput('the module does not export an image', { where, hint: 'export it as default' });
  }
  const faults = image(value, '$');
  if (faults.length > 0) {
    throw badInput(`this is not an image\n  ${faults.slice(0, 5).join('\n  ')}`, {
      where,
      hint: 'correct it; npx tsc --noEmit shows the lines',
    });
  }
  const checked = value as Image;
  if (checked.name !== folder) {
    throw badInput(`$.name is "${checked.name}", but its folder is ${folder}`, {
      where,
      hint: 'give it the name of its folder, because targets and out/ use this name',
    });
  }
  return checked;
}

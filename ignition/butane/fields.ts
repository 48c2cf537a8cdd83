import { meantMode, octalText } from '../base/mode.ts';
import type { Style } from '../check/read.ts';
import {
  type Field,
  inner,
  list,
  optionalBool,
  optionalInt,
  optionalString,
  type StructShape,
  string,
  struct,
} from '../spec/shape.ts';
import { configShape } from '../spec/v3.ts';
import { type Dialect, versionWith } from './dialect.ts';
import { isNullText, parseBoolean, parseInteger } from './yaml.ts';

/**
 * Butane's YAML is Ignition's JSON with underscores between words and some keys of its own. So its shape is
 * derived from the spec's.
 */

/** `sshAuthorizedKeys` → `ssh_authorized_keys`, `sizeMiB` → `size_mib`. */
export function snakeCase(name: string): string {
  return name.replace('MiB', 'Mib').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

const from = (spec: number, field: Field): Field => ({ ...field, since: spec });

const cex = inner('cex', struct([optionalBool('enabled')]));
const tang = (more: readonly Field[] = []): Field =>
  list('tang', struct([string('url'), optionalString('thumbprint'), ...more]));
const advertisement = optionalString('advertisement');

/** Keys of Ignition that are newer than spec 3.3, by the path (without indices) of their object. */
const NEWER: Readonly<Record<string, readonly Field[]>> = {
  'storage.luks': [from(4, optionalBool('discard')), from(4, list('openOptions')), from(5, cex)],
  'storage.luks.clevis.tang': [from(4, advertisement)],
};

const owner = struct([optionalInt('id'), optionalString('name')]);

const written = [string('name'), optionalString('contents'), optionalString('contentsLocal')];
const quadlet = struct([...written, optionalBool('rootful'), list('dropins', struct(written))]);

/** Keys of Butane that Ignition does not have, in the same form. */
const SUGAR: Readonly<Record<string, readonly Field[]>> = {
  '': [
    string('variant'),
    string('version'),
    inner(
      'bootDevice',
      struct([
        optionalString('layout'),
        inner(
          'luks',
          struct([
            optionalString('device'),
            tang([advertisement]),
            optionalBool('tpm2'),
            optionalInt('threshold'),
            optionalBool('discard'),
            cex,
          ]),
        ),
        inner('mirror', struct([list('devices')])),
      ]),
    ),
    inner('grub', struct([list('users', struct([string('name'), optionalString('passwordHash')]))])),
  ],
  storage: [
    from(
      1,
      list(
        'trees',
        struct([
          string('local'),
          optionalString('path'),
          from(6, inner('user', owner)),
          from(6, inner('group', owner)),
          from(6, optionalInt('fileMode')),
          from(6, optionalInt('dirMode')),
        ]),
      ),
    ),
  ],
  'storage.filesystems': [from(1, optionalBool('withMountUnit'))],
  systemd: [from(7, list('quadlets', quadlet))],
  'systemd.units': [from(4, optionalString('contentsLocal'))],
  'systemd.units.dropins': [from(4, optionalString('contentsLocal'))],
  'passwd.users': [from(4, list('sshAuthorizedKeysLocal'))],
};

const RESOURCE = /\.(contents|append|keyFile|merge|replace|certificateAuthorities)$/;

function butaneKeys(path: string): readonly Field[] {
  if (!RESOURCE.test(path)) return [...(SUGAR[path] ?? []), ...(NEWER[path] ?? [])];
  const inline = optionalString('inline');
  const isContents = path === 'storage.files.contents' || path === 'storage.files.append';
  return [isContents ? inline : from(1, inline), from(1, optionalString('local'))];
}

function extend(
  shape: StructShape,
  path: string,
  additions: (path: string) => readonly Field[],
): StructShape {
  const below = (name: string): string => (path === '' ? name : `${path}.${name}`);
  const fields = [...shape.values()].map((field) =>
    field.of ? { ...field, of: extend(field.of, below(field.name), additions) } : field,
  );
  return struct([...fields, ...additions(path)]);
}

function withoutVersion(shape: StructShape): StructShape {
  const { of } = shape.get('ignition') ?? {};
  const kept = [...(of?.values() ?? [])].filter(({ name }) => name !== 'version');
  return struct([
    ...[...shape.values()].filter(({ name }) => name !== 'ignition'),
    inner('ignition', struct(kept)),
  ]);
}

/** The keys of a Butane config of any version, spelled as in the spec. */
export const butaneShape = withoutVersion(extend(configShape, '', butaneKeys));

/** The keys of a JSON config of spec 3.0 to 3.6. */
export const newestShape = extend(configShape, '', (path) => NEWER[path] ?? []);

function octalDoubt(field: Field, value: Parameters<NonNullable<Style['doubt']>>[1]): string | undefined {
  const written = field.name === 'mode' && value.kind === 'scalar' && !value.quoted ? value.text : '';
  const meant = meantMode(written);
  if (meant === undefined) return undefined;
  const write =
    meant > 0o777
      ? `${octalText(meant & 0o777)}, and set the other bits of ${octalText(meant)} by a tmpfiles.d file`
      : octalText(meant);
  return `mode ${written} is decimal, which is ${octalText(Number(written))}; write ${write}`;
}

/** The spelling of a version of Butane. */
export const butaneStyle = ({ variant, version, spec }: Dialect): Style => ({
  spell: snakeCase,
  integer: parseInteger,
  boolean: parseBoolean,
  isNull: isNullText,
  plainText: true,
  names: { string: 'a string', int: 'an integer', bool: 'true or false', struct: 'a map', list: 'a list' },
  unused: (key, field, shape) => {
    if (field !== undefined) return undefined;
    return `Unused key ${key}${shape.has(key) ? `; Butane writes it ${snakeCase(key)}` : ''}`;
  },
  tooNew: ({ name, since = 0 }) => {
    if (since <= spec) return undefined;
    const first = versionWith(variant, since);
    const hint = first === undefined ? 'remove it' : `write version: ${first}`;
    return `Unused key ${snakeCase(name)}, which ${variant} ${version} does not have; ${hint}`;
  },
  doubt: octalDoubt,
});

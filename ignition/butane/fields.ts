import {
  bag,
  type Field,
  inner,
  list,
  optionalBool,
  optionalString,
  type StructShape,
  string,
  struct,
  text,
} from '../spec/shape.ts';
import { configShape } from '../spec/v3.ts';

/**
 * Butane's YAML is spec 3.3 with words joined by underscores and a few keys of its own. So its shape is derived from
 * the spec's.
 */

/** `sshAuthorizedKeys` → `ssh_authorized_keys`, `sizeMiB` → `size_mib`. */
export function snakeCase(name: string): string {
  return name.replace('MiB', 'Mib').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

export interface Dialect {
  /** Spec 3.4 came with keys that later Butane versions write: they are read, to translate or refuse them. */
  readonly after33: boolean;
  readonly bootDevice: boolean;
}

/** Keys Butane adds, by the path of the spec (indices left out) of the object that holds them. */
function additions(path: string, { after33, bootDevice }: Dialect): readonly Field[] {
  if (path === '')
    return [
      string('variant'),
      string('version'),
      ...(bootDevice ? [inner('bootDevice', bootDeviceShape)] : []),
    ];
  if (
    /(^|\.)(contents|append|keyFile|merge|replace|certificateAuthorities)$/.test(path) &&
    !path.startsWith('systemd')
  ) {
    return [optionalString('inline'), optionalString('local')];
  }
  if (path === 'storage') return [bag('trees', struct([string('local'), optionalString('path')]))];
  if (path === 'storage.filesystems') return [optionalBool('withMountUnit')];
  if (!after33) return [];
  if (path === 'systemd.units' || path === 'systemd.units.dropins') return [optionalString('contentsLocal')];
  if (path === 'passwd.users') return [list('sshAuthorizedKeysLocal', text())];
  if (path === 'storage.luks') return [optionalBool('discard'), bag('openOptions', text())];
  if (path === 'storage.luks.clevis.tang') return [optionalString('advertisement')];
  return [];
}

const bootDeviceShape = struct([
  optionalString('layout'),
  inner('luks', struct([bag('tang', struct([string('url')])), optionalBool('tpm2')])),
  inner('mirror', struct([bag('devices', text())])),
]);

function extend(shape: StructShape, path: string, dialect: Dialect): StructShape {
  const below = (name: string): string => (path === '' ? name : `${path}.${name}`);
  const fields = shape.fields.map((field) =>
    field.of?.kind === 'struct' ? { ...field, of: extend(field.of, below(field.name), dialect) } : field,
  );
  const kept = path === 'ignition' ? fields.filter(({ name }) => name !== 'version') : fields;
  return struct([...kept, ...additions(path, dialect)]);
}

/** The keys of a Butane config, still in the spec's spelling. */
export function butaneShape(dialect: Dialect): StructShape {
  return extend(configShape(3), '', dialect);
}

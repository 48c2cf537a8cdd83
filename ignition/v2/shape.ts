import {
  inner,
  int,
  list,
  optionalBool,
  optionalInt,
  optionalString,
  type StructShape,
  string,
  struct,
} from '../spec/shape.ts';

/** The spec 2 versions that can be translated. */
export const V2_VERSIONS = ['2.0.0', '2.1.0', '2.2.0', '2.3.0', '2.4.0'] as const;

function resources(minor: number): { reference: StructShape; contents: StructShape } {
  const verification = inner('verification', struct([optionalString('hash')]));
  const headers = minor >= 4 && list('httpHeaders', struct([string('name'), string('value')]));
  return {
    reference: struct([string('source'), verification, headers]),
    contents: struct([optionalString('compression'), optionalString('source'), verification, headers]),
  };
}

function ignitionSection(minor: number): StructShape {
  const { reference } = resources(minor);
  return struct([
    string('version'),
    inner('config', struct([list('append', reference), inner('replace', reference)])),
    minor >= 1 && inner('timeouts', struct([optionalInt('httpResponseHeaders'), optionalInt('httpTotal')])),
    minor >= 2 &&
      inner('security', struct([inner('tls', struct([list('certificateAuthorities', reference)]))])),
    minor >= 4 &&
      inner('proxy', struct([optionalString('httpProxy'), optionalString('httpsProxy'), list('noProxy')])),
  ]);
}

function storageSection(minor: number): StructShape {
  const partition = struct([
    optionalString('label'),
    int('number'),
    optionalInt('size'),
    optionalInt('start'),
    minor >= 3 && optionalInt('sizeMiB'),
    minor >= 3 && optionalInt('startMiB'),
    optionalString('typeGuid'),
    minor >= 1 && optionalString('guid'),
    minor >= 3 && optionalBool('shouldExist'),
    minor >= 3 && optionalBool('wipePartitionEntry'),
  ]);
  const disk = struct([string('device'), optionalBool('wipeTable'), list('partitions', partition)]);
  const raid = struct([
    string('name'),
    string('level'),
    list('devices'),
    optionalInt('spares'),
    minor >= 1 && list('options'),
  ]);
  const mount = struct([
    string('device'),
    string('format'),
    inner('create', struct([optionalBool('force'), list('options')])),
    minor >= 1 && optionalBool('wipeFilesystem'),
    minor >= 1 && optionalString('label'),
    minor >= 1 && optionalString('uuid'),
    minor >= 1 && list('options'),
  ]);
  const filesystem = struct([string('name'), inner('mount', mount), optionalString('path')]);
  const owner = struct([optionalInt('id'), minor >= 1 && optionalString('name')]);
  const node = [
    string('filesystem'),
    string('path'),
    inner('user', owner),
    inner('group', owner),
    minor >= 2 && optionalBool('overwrite'),
  ];
  const { contents } = resources(minor);
  const file = struct([
    ...node,
    inner('contents', contents),
    optionalInt('mode'),
    minor >= 2 && optionalBool('append'),
  ]);
  return struct([
    list('disks', disk),
    list('raid', raid),
    list('filesystems', filesystem),
    list('files', file),
    minor >= 1 && list('directories', struct([...node, optionalInt('mode')])),
    minor >= 1 && list('links', struct([...node, optionalBool('hard'), string('target')])),
  ]);
}

function passwdSection(): StructShape {
  const account = [
    optionalInt('uid'),
    optionalString('gecos'),
    optionalString('homeDir'),
    optionalBool('noCreateHome'),
    optionalString('primaryGroup'),
    list('groups'),
    optionalBool('noUserGroup'),
    optionalBool('system'),
    optionalBool('noLogInit'),
    optionalString('shell'),
  ];
  const user = struct([
    string('name'),
    optionalString('passwordHash'),
    list('sshAuthorizedKeys'),
    inner('create', struct(account)),
    ...account,
  ]);
  const group = struct([
    string('name'),
    optionalInt('gid'),
    optionalString('passwordHash'),
    optionalBool('system'),
  ]);
  return struct([list('users', user), list('groups', group)]);
}

function unitSections(minor: number): { systemd: StructShape; networkd: StructShape } {
  const dropins = list('dropins', struct([string('name'), optionalString('contents')]));
  const unit = struct([
    string('name'),
    optionalBool('enable'),
    minor >= 1 && optionalBool('enabled'),
    optionalBool('mask'),
    optionalString('contents'),
    dropins,
  ]);
  const network = struct([string('name'), optionalString('contents'), minor >= 1 && dropins]);
  return { systemd: struct([list('units', unit)]), networkd: struct([list('units', network)]) };
}

/** A config of spec 2.`minor` as its decoder sees it. */
export function v2Shape(minor: number): StructShape {
  const { systemd, networkd } = unitSections(minor);
  return struct([
    inner('ignition', ignitionSection(minor)),
    inner('storage', storageSection(minor)),
    inner('systemd', systemd),
    inner('networkd', networkd),
    inner('passwd', passwdSection()),
  ]);
}

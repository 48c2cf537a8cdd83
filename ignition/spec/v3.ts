import type { Report } from '../report.ts';
import { checkDisk, checkPartition, partitionKey } from '../rules/disk.ts';
import { checkPath } from '../rules/path.ts';
import {
  checkCertificate,
  checkHeader,
  checkProxy,
  checkReference,
  checkResource,
  checkSources,
  checkVerification,
} from '../rules/resource.ts';
import { checkDirectory, checkFile, checkNode, checkOwner, checkStorage } from '../rules/storage.ts';
import { checkDropin, checkUnit } from '../rules/unit.ts';
import { checkClevisCustom, checkFilesystem, checkLuks, checkRaid, checkTang } from '../rules/volumes.ts';
import {
  bag,
  inner,
  int,
  list,
  optionalBool,
  optionalInner,
  optionalInt,
  optionalString,
  type StructShape,
  string,
  struct,
  text,
} from './shape.ts';

/** Spec versions the shipped Ignition accepts, oldest first. The last is what it calls experimental. */
export const VERSIONS = ['3.0.0', '3.1.0', '3.2.0', '3.3.0', '3.4.0-experimental'] as const;
export type Version = (typeof VERSIONS)[number];

const byName = ({ name }: { name: string }): string => name;
const byPath = ({ path }: { path: string }): string => path;
const byDevice = ({ device }: { device: string }): string => device;
const bySource = ({ source = '' }: { source?: string }): string => source;

/** What a config may point to: file contents, other configs, certificates. */
function resources(minor: number): { contents: StructShape; config: StructShape; certificate: StructShape } {
  const verification = inner(
    'verification',
    struct([optionalString('hash')], { rule: checkVerification(minor) }),
  );
  const fetched = [optionalString('compression')];
  if (minor === 0) {
    return {
      contents: struct([...fetched, optionalString('source'), verification], {
        key: bySource,
        rule: checkResource(0),
      }),
      config: struct([optionalString('source'), verification], { key: bySource, rule: checkReference }),
      certificate: struct([string('source'), verification], { key: bySource, rule: checkCertificate }),
    };
  }
  const header = struct([string('name'), optionalString('value')], { key: byName, rule: checkHeader });
  const resource = struct([...fetched, list('httpHeaders', header), optionalString('source'), verification], {
    key: bySource,
    rule: checkResource(minor),
  });
  return { contents: resource, config: resource, certificate: resource };
}

function ignitionSection(minor: number): StructShape {
  const { config, certificate } = resources(minor);
  const configs = struct([list('merge', config), inner('replace', config)], {
    ...(minor >= 1 ? { rule: checkSources('merge', minor) } : {}),
  });
  const tls = struct([list('certificateAuthorities', certificate)], {
    ...(minor >= 1 ? { rule: checkSources('certificateAuthorities', minor) } : {}),
  });
  const proxy = struct([optionalString('httpProxy'), optionalString('httpsProxy'), list('noProxy', text())], {
    rule: checkProxy,
  });
  return struct([
    inner('config', configs),
    minor >= 1 && inner('proxy', proxy),
    inner('security', struct([inner('tls', tls)])),
    inner('timeouts', struct([optionalInt('httpResponseHeaders'), optionalInt('httpTotal')])),
    string('version'),
  ]);
}

function passwdSection(minor: number): StructShape {
  const group = struct(
    [
      optionalInt('gid'),
      string('name'),
      optionalString('passwordHash'),
      minor >= 2 && optionalBool('shouldExist'),
      optionalBool('system'),
    ],
    { key: byName },
  );
  const user = struct(
    [
      optionalString('gecos'),
      list('groups', text()),
      optionalString('homeDir'),
      string('name'),
      optionalBool('noCreateHome'),
      optionalBool('noLogInit'),
      optionalBool('noUserGroup'),
      optionalString('passwordHash'),
      optionalString('primaryGroup'),
      list('sshAuthorizedKeys', text()),
      optionalString('shell'),
      minor >= 2 && optionalBool('shouldExist'),
      optionalBool('system'),
      optionalInt('uid'),
    ],
    { key: byName },
  );
  return struct([list('groups', group), list('users', user)]);
}

function diskShape(minor: number): StructShape {
  const partition = struct(
    [
      optionalString('guid'),
      optionalString('label'),
      int('number'),
      minor >= 2 && optionalBool('resize'),
      optionalBool('shouldExist'),
      optionalInt('sizeMiB'),
      optionalInt('startMiB'),
      optionalString('typeGuid'),
      optionalBool('wipePartitionEntry'),
    ],
    { key: partitionKey, rule: checkPartition },
  );
  return struct([string('device'), list('partitions', partition), optionalBool('wipeTable')], {
    key: byDevice,
    rule: checkDisk,
  });
}

function filesystemShape(minor: number): StructShape {
  return struct(
    [
      string('device'),
      optionalString('format'),
      optionalString('label'),
      minor >= 1 && bag('mountOptions', text()),
      bag('options', text()),
      optionalString('path'),
      optionalString('uuid'),
      optionalBool('wipeFilesystem'),
    ],
    { key: byDevice, rule: checkFilesystem(minor) },
  );
}

function luksShape(minor: number): StructShape {
  const tang = struct([optionalString('thumbprint'), string('url')], {
    key: ({ url }: { url: string }) => url,
    rule: checkTang,
  });
  const textual = minor >= 3 ? optionalString : string;
  const custom = struct([textual('config'), optionalBool('needsNetwork'), textual('pin')], {
    rule: checkClevisCustom(minor),
  });
  const may = minor >= 3 ? inner : optionalInner;
  const clevis = struct([
    may('custom', custom),
    list('tang', tang),
    optionalInt('threshold'),
    optionalBool('tpm2'),
  ]);
  return struct(
    [
      may('clevis', clevis),
      optionalString('device'),
      inner('keyFile', resources(minor).contents),
      optionalString('label'),
      string('name'),
      bag('options', text()),
      optionalString('uuid'),
      optionalBool('wipeVolume'),
    ],
    { key: byName, rule: checkLuks(minor) },
  );
}

function raidShape(minor: number): StructShape {
  const device = text((path: string, report: Report) => report.error(checkPath(path)));
  const level = minor >= 3 ? optionalString('level') : string('level');
  return struct(
    [list('devices', device), level, string('name'), bag('options', text()), optionalInt('spares')],
    { key: byName, rule: checkRaid(minor) },
  );
}

function storageSection(minor: number): StructShape {
  const owner = struct([optionalInt('id'), optionalString('name')], { rule: checkOwner });
  const node = [inner('group', owner), optionalBool('overwrite'), string('path'), inner('user', owner)];
  const { contents } = resources(minor);
  const directory = struct([...node, optionalInt('mode')], { key: byPath, rule: checkDirectory(minor) });
  const file = struct([...node, bag('append', contents), inner('contents', contents), optionalInt('mode')], {
    key: byPath,
    rule: checkFile(minor),
  });
  const target = minor >= 3 ? optionalString('target') : string('target');
  const link = struct([...node, optionalBool('hard'), target], { key: byPath, rule: checkNode });
  return struct(
    [
      list('directories', directory, 'node'),
      list('disks', diskShape(minor)),
      list('files', file, 'node'),
      list('filesystems', filesystemShape(minor)),
      list('links', link, 'node'),
      minor >= 2 && list('luks', luksShape(minor)),
      list('raid', raidShape(minor)),
    ],
    { rule: checkStorage(minor) },
  );
}

function systemdSection(): StructShape {
  const dropin = struct([optionalString('contents'), string('name')], { key: byName, rule: checkDropin });
  const unit = struct(
    [
      optionalString('contents'),
      list('dropins', dropin),
      optionalBool('enabled'),
      optionalBool('mask'),
      string('name'),
    ],
    { key: byName, rule: checkUnit },
  );
  return struct([list('units', unit)]);
}

function kernelArgumentsSection(): StructShape {
  const argument = text();
  return struct([list('shouldExist', argument, 'argument'), list('shouldNotExist', argument, 'argument')]);
}

const built = new Map<number, StructShape>();

/**
 * The config of a spec version as Ignition decodes and checks it: names, kinds, what may be absent, what must be
 * unique, and the rules. Fields are in the order in which Ignition reports on them.
 * @param minor 3 for spec 3.3; 4 is the experimental 3.4
 */
export function configShape(minor: number): StructShape {
  const ready = built.get(minor);
  if (ready) return ready;
  const shape = struct([
    inner('ignition', ignitionSection(minor)),
    minor >= 3 && inner('kernelArguments', kernelArgumentsSection()),
    inner('passwd', passwdSection(minor)),
    inner('storage', storageSection(minor)),
    inner('systemd', systemdSection()),
  ]);
  built.set(minor, shape);
  return shape;
}
